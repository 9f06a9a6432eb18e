"""What is simulated, said without time: frozen, validated descriptions of machines, systems and programs."""
