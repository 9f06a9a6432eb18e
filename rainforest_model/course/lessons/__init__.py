"""The exercises of each notebook of the course: ``lesson_<number>.EXERCISES`` by name."""
