"""Drawings follow what is described and who owns what: a change there moves a box, a line or a word here."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pandas as pd
import pytest
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch

from rainforest_model import drawing, experiments, plots, results
from rainforest_model.descriptions import load
from rainforest_model.descriptions.address_space import DIRECT, KERNEL, TOP
from rainforest_model.descriptions.architecture import architecture_of
from rainforest_model.descriptions.parameter import Description, Parameter
from rainforest_model.descriptions.structure import SCOPES
from rainforest_model.drawing import Box
from rainforest_model.errors import InputError
from rainforest_model.experiments import fig01_architecture as fig01
from rainforest_model.experiments import fig02_structures as fig02
from rainforest_model.experiments import fig04_rainforest as fig04
from rainforest_model.experiments import fig05_memory_layout as fig05
from rainforest_model.experiments import living
from rainforest_model.experiments.common import Options
from rainforest_model.experiments.tab01_shared_state import is_shared
from rainforest_model.results import Results
from rainforest_model.supervision import FREE, SUPERVISOR, ElasticMachine

DRAWINGS = (fig01, fig02, fig04, fig05)
IDS = [module.__name__.rpartition(".")[2] for module in DRAWINGS]
GB, MB = 2**30, 2**20


def live(system: str = "rainforest") -> ElasticMachine:
    """Three instances, without an engine that would simulate them."""
    return ElasticMachine(living.three_instances(system), living.NAMES, engine=FakeEngine)


def saved(module) -> Results:
    found = results.load(module.__name__.rpartition(".")[2])
    assert found is not None
    return found


def words(figure) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in figure.axes[0].texts]


def changed(found: Results, **frames: pd.DataFrame) -> Results:
    return dataclasses.replace(found, frames={**found.frames, **frames})


def outcome(module, found: Results) -> dict[str, str]:
    return {verdict.id: verdict.verdict for verdict in module.verdicts(found)}


# --- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", DRAWINGS, ids=IDS)
def test_a_run_gives_the_committed_tables(module):
    fresh = module.run(Options())
    assert results.differences(saved(module), fresh) == []


@pytest.mark.parametrize("module", DRAWINGS, ids=IDS)
def test_both_engines_give_the_same_drawing(module):
    assert results.differences(saved(module), module.run(Options(engine="agents"))) == []


@pytest.mark.parametrize("module", DRAWINGS, ids=IDS)
def test_all_words_fit_and_none_lie_on_others(module):
    figure = module.figure(saved(module))
    (axes,) = figure.axes
    assert drawing.overflowing(axes) == []
    renderer = figure.canvas.get_renderer()
    places = [(text.get_text(), text.get_window_extent(renderer)) for text in axes.texts if text.get_text()]
    assert len(places) > 20
    for (one, here), (other, there) in itertools.combinations(places, 2):
        assert not here.padded(-1).overlaps(there.padded(-1)), f"{one!r} and {other!r}"
    page = figure.bbox
    assert all(page.x0 <= here.x0 and here.x1 <= page.x1 and page.y0 <= here.y0 and here.y1 <= page.y1
               for _, here in places)
    assert min(text.get_fontsize() for text in axes.texts) >= drawing.SMALLEST


@pytest.mark.parametrize("module", DRAWINGS, ids=IDS)
def test_a_figure_and_its_verdicts_need_the_tables_only(module, monkeypatch):
    for name in ("architecture", "parts", "system", "machine", "address_space", "ficm"):
        monkeypatch.setattr(load, name, lambda *a, **k: pytest.fail("asked a description"))
    found = saved(module)
    assert plots.encode(module.figure(found), "png") == plots.encode(module.figure(found), "png")
    assert set(outcome(module, found).values()) == {"holds"}
    assert len(module.describe_figure(found)) > 100


# --- Figure 1 ---------------------------------------------------------------------------------------------


def architecture_drawn(machine: ElasticMachine) -> Results:
    notes = {"machine": "a machine", "instance": "subOS", "kernel": "a kernel", "seat": machine.supervisor.core}
    return Results("fig01_architecture", "quick", 1, fig01.layout(machine, load.parts()), notes)


def test_a_moved_core_is_drawn_at_its_new_owner():
    machine = live()
    before = architecture_drawn(machine)
    living.carry_out(machine, [("preempt", {"name": "search", "from_": "vips", "cores": 1})])
    after = architecture_drawn(machine)
    was, now = (found.frames["cores"].set_index("core").owner for found in (before, after))
    (core,) = now.index[was != now]
    assert (was[core], now[core]) == ("vips", "search")
    assert "search 5, vips 3, ferret 4" in fig01.describe_figure(after)
    assert text_of(fig01.figure(after), str(core)) < text_of(fig01.figure(before), str(core))


def text_of(figure, word: str) -> float:
    """How far to the right a word stands that occurs once."""
    (found,) = [text for text in figure.axes[0].texts if text.get_text() == word]
    return found.get_position()[0]


def test_a_destroyed_instance_is_drawn_no_more_and_its_cores_are_free():
    machine = live()
    living.carry_out(machine, [("destroy", {"name": "vips"})])
    found = architecture_drawn(machine)
    assert "vips" not in set(found.frames["kernels"].name) | set(found.frames["cores"].owner)
    assert (found.frames["cores"].owner == FREE).sum() == 4
    assert any("free: 4 cores, 10.7 GB" in told for told in words(fig01.figure(found)))
    assert outcome(fig01, found)["A1"] == "holds"


@pytest.mark.parametrize(("system", "layers", "verdict"), [
    ("rainforest", ["kernel", "application"], "holds"),
    ("xen", ["beneath", "kernel", "application"], "misses"),
    ("lxc", ["kernel", "container", "application"], "misses"),
])
def test_privilege_follows_the_partitioning(system, layers, verdict):
    found = architecture_drawn(live(system))
    assert found.frames["layers"].layer.tolist() == layers
    assert outcome(fig01, found)["A2"] == verdict
    assert (SUPERVISOR in set(found.frames["kernels"].name)) == (system == "rainforest")
    figure = fig01.figure(found)
    assert drawing.overflowing(figure.axes[0]) == []
    assert any("all share" in told for told in words(figure)) == (system != "rainforest")
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == (3 if system == "rainforest" else 0), "a command and two channels, or neither"


def test_a_core_with_two_owners_is_found():
    found = saved(fig01)
    cores = found.frames["cores"]
    twice = pd.concat([cores, cores.iloc[:1].assign(owner="vips")])
    assert outcome(fig01, changed(found, cores=twice))["A1"] == "misses"
    memory = found.frames["memory"].assign(end=lambda table: [hex(int(end, 16) + 4096) for end in table.end])
    assert outcome(fig01, changed(found, memory=memory))["A1"] == "misses"


# --- Figure 2 and the layers ------------------------------------------------------------------------------


@pytest.mark.parametrize("id", load.systems())
def test_each_structure_lies_in_one_layer_and_is_shared_as_that_is(id):
    system = load.system(id)
    layers = architecture_of(system).layers
    present = {name: s for name, s in system.structures.items() if s.kind != "absent"}
    held = [label for layer in layers.values() for label in layer.holds]
    assert sorted(held) == sorted(structure.label or name for name, structure in present.items())
    for name, structure in present.items():
        (layer,) = [layer for layer in layers.values() if (structure.label or name) in layer.holds]
        assert layer.common == is_shared(structure, system), name


@pytest.mark.parametrize("name", list(load.system("rainforest").kernel.structures))
@pytest.mark.parametrize("scope", SCOPES)
def test_a_structure_moves_with_its_scope(name, scope):
    system = load.system("rainforest")
    moved = fig02.rescoped(system, name, scope)
    assert system.structures[name] != moved.structures[name] or system.structures[name].scope == scope
    if system.structures[name].kind == "absent":
        return
    layers = fig02.layout({("changed",): moved})["layers"].set_index("layer")
    home = {"machine": "beneath", "core": "application", "process": "application"}.get(scope, "kernel")
    label = system.structures[name].label or name
    holders = [key for key, layer in architecture_of(moved).layers.items() if label in layer.holds]
    assert holders == [home]
    assert ("beneath" in layers.index) == (scope == "machine")


def test_one_structure_at_the_scope_of_the_machine_takes_the_claim_away():
    described = fig02.describe(Options())
    described["rainforest",] = fig02.rescoped(described["rainforest",], "vm_committed_as", "machine")
    found = Results("fig02_structures", "quick", 1, fig02.layout(described))
    assert outcome(fig02, found) == {"A3": "holds", "A4": "misses", "A5": "misses"}
    assert fig02.common_layers(found)["rainforest"] == ["RainForest"]
    assert drawing.overflowing(fig02.figure(found).axes[0]) == []


def test_what_cannot_be_rescoped_is_told():
    system = load.system("rainforest")
    with pytest.raises(InputError, match="no such structure"):
        fig02.rescoped(system, "nothing", "machine")
    with pytest.raises(InputError, match="known: core, process"):
        fig02.rescoped(system, "tlb", "galaxy")


def test_two_systems_make_two_panels():
    described = {(id,): load.system(id) for id in ("lxc", "xen")}
    figure = fig02.figure(Results("fig02_structures", "quick", 1, fig02.layout(described)))
    told = words(figure)
    assert {"LXC", "Xen"} <= set(told)
    assert "RainForest" not in told
    assert not any("messages" in word for word in told), "the key names what does not occur"


# --- Figure 4 ---------------------------------------------------------------------------------------------


def parts_drawn(machine: ElasticMachine, parts=None) -> Results:
    history = living.carry_out(machine, fig04.MOVED)
    frames = {**fig04.layout(machine, parts or load.parts()), "history": history}
    notes = {"message": load.ficm().message.plain(), "seat": machine.supervisor.core}
    return Results("fig04_rainforest", "quick", 1, frames, notes)


def test_communication_cores_and_lists_are_the_machines():
    machine = live()
    found = parts_drawn(machine)
    cores, shared = found.frames["cores"], found.frames["shared"].set_index("structure")
    for name in living.NAMES:
        instance = machine.instances[name]
        mine = cores[cores.owner == name]
        assert set(mine.core) == set(instance.cores)
        assert mine[mine.role == "communication"].core.tolist() == [instance.communication_core]
        assert f"{name} {instance.communication_core}" in shared.members["communication_cores"]
    machine.ficm.join("ferret", machine.instances["ferret"].cores[-1])
    again = fig04.layout(machine, load.parts())["cores"]
    assert again[(again.owner == "ferret") & (again.role == "communication")].core.tolist() == [11]


def test_channels_connect_those_whom_the_lists_name():
    machine = live()
    living.carry_out(machine, [("destroy", {"name": "vips"})])
    channels = fig04.layout(machine, load.parts())["channels"]
    assert not ({"vips"} & {*channels.one, *channels.other})
    loops = channels[channels.part == "rfloop"]
    assert list(zip(loops.one, loops.other, strict=True)) == [("search", "ferret")]
    assert loops.hops.tolist() == [1], "cores 0 and 8 of S-A are in two sockets"
    assert (channels.part == "ficm").sum() == 3


def test_a_part_that_moves_is_drawn_elsewhere():
    parts = load.parts()
    moved = parts.parts["suboscon"].model_copy(update={"of": "supervisor", "module": "RFcontroller"})
    other = parts.model_copy(update={"parts": {**parts.parts, "suboscon": moved}})
    before, after = (parts_drawn(live(), which) for which in (parts, other))
    for found, expected in ((before, list(living.NAMES)), (after, [SUPERVISOR])):
        table = found.frames["parts"]
        assert table[table.part == "suboscon"].owner.tolist() == expected
        assert words(fig04.figure(found)).count("subOScon") == len(expected)


def test_more_threads_miss_the_claim():
    parts = load.parts()
    threads = Parameter(value=3, unit="count", range=(3, 3), basis="derived", source="for the test")
    other = parts.parts["ficm"].model_copy(update={"threads": threads})
    found = parts_drawn(live(), parts.model_copy(update={"parts": {**parts.parts, "ficm": other}}))
    assert outcome(fig04, found)["I2"] == "misses"
    assert "FICM, 3 threads" in words(fig04.figure(found))


def test_an_instance_without_communication_core_misses_the_claim():
    found = saved(fig04)
    cores = found.frames["cores"].assign(role=lambda table: table.role.where(table.owner != "vips", ""))
    assert outcome(fig04, changed(found, cores=cores))["I5"] == "misses"
    one_more = pd.concat([found.frames["shared"], pd.DataFrame([("x", "x", True, "search, vips, ferret")],
                         columns=found.frames["shared"].columns)])
    assert outcome(fig04, changed(found, shared=one_more))["I7"] == "misses"


def test_a_refused_command_is_in_the_history():
    machine = live()
    history = living.carry_out(machine, [("preempt", {"name": "ferret", "from_": "search", "cores": 1})])
    assert history.outcome.tolist() != ["done"]
    assert len(machine.instances["search"].cores) == 4


# --- Figure 5 and the address space -----------------------------------------------------------------------


def memory_drawn(taken_mb: int, space=None) -> Results:
    machine = live()
    starts = fig05.first_addresses(machine)
    history = living.carry_out(machine, fig05.commands(machine, given_mb=2048, taken_mb=taken_mb))
    assert set(history.outcome) == {"done"}
    frames = {**fig05.layout(machine, space or load.address_space(), starts), "history": history}
    return Results("fig05_memory_layout", "quick", 1, frames)


@pytest.mark.parametrize(("mb", "verdict"), [(64, "holds"), (480, "holds"), (482, "misses"), (1024, "misses")])
def test_the_hole_bounds_what_comes_from_before_a_subos(mb, verdict):
    found = memory_drawn(mb)
    virtual = found.frames["virtual"]
    ferret = virtual[virtual.owner == "ferret"]
    assert ferret[ferret.area == KERNEL].kb.sum() == min(mb, 480) * 1024
    assert ferret[ferret.area == fig05.NO_ROOM].kb.sum() == max(0, mb - 480) * 1024
    search = virtual[(virtual.owner == "search") & virtual.late]
    assert (search.area.tolist(), search.kb.tolist()) == ([DIRECT], [mb * 1024]), "what lies behind is mapped directly"
    assert outcome(fig05, found) == {"I3": "holds", "I8": "holds", "I9": verdict}
    told = words(fig05.figure(found))
    assert any("no room" in word for word in told) == (mb > 480)


def test_a_longer_image_leaves_less_of_the_hole():
    space = load.address_space()
    longer = space.image.model_copy(update={"value": 32.0})
    found = memory_drawn(480, space.model_copy(update={"image": longer}))
    assert outcome(fig05, found)["I9"] == "misses"
    assert "hole, 464 MB left" in words(fig05.figure(found)), "that of search, who has nothing in it"


def test_every_owned_byte_is_drawn_once():
    found = memory_drawn(512)
    physical, virtual = found.frames["physical"], found.frames["virtual"]
    for name in living.NAMES:
        mapped = virtual[(virtual.owner == name) & (virtual.area != fig05.SHARED)].kb.sum()
        assert mapped == 1024 * physical[physical.owner == name].mb.sum()
    owned = physical[physical.owner != fig05.SHARED]
    assert owned.end.tolist()[:-1] == owned.start.tolist()[1:]
    assert int(owned.end.iloc[-1], 16) == 32 * GB


blocks = st.integers(1, 2**14)


@given(st.integers(0, 2**14), st.lists(st.tuples(st.integers(0, 2**15), blocks), max_size=8))
def test_mappings_are_apart_and_lose_nothing(start, pieces):
    space = load.address_space()
    size = 2 * MB
    own = [(a * size, n * size) for a, n in pieces if not a < start < a + n]
    found = space.mappings(start * size, own)
    assert sum(mapping.size for mapping in found) == sum(n for _, n in own)
    low, high = space.hole
    for mapping in found:
        if mapping.area == DIRECT:
            assert mapping.virtual - space.areas[DIRECT].start == mapping.physical - start * size >= 0
        elif mapping.area == KERNEL:
            assert low <= mapping.virtual
            assert mapping.virtual + mapping.size <= high
            assert mapping.physical < start * size
        else:
            assert mapping.virtual is None
    in_hole = sorted((m.virtual, m.size) for m in found if m.area == KERNEL)
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(in_hole))


def test_plain_linux_is_the_subos_that_starts_at_zero():
    space = load.address_space()
    (mapping,) = space.mappings(0, [(0, 32 * GB)])
    assert (mapping.area, hex(mapping.virtual)) == (DIRECT, "0xffff880000000000")


def test_addresses_are_those_of_the_kernel():
    areas = load.address_space().areas
    assert hex(areas[KERNEL].start) == "0xffffffff80000000"
    assert areas[KERNEL].end == areas["modules"].start == 0xFFFFFFFFA0000000
    assert areas["modules"].end == 0xFFFFFFFFFF000000 < TOP
    assert hex(areas["vmalloc"].end - 1) == "0xffffe8ffffffffff"
    assert hex(areas["vmemmap"].end - 1) == "0xffffeaffffffffff"
    assert hex(areas[DIRECT].end - 1) == "0xffffc7ffffffffff"


@pytest.mark.parametrize("piece", [(0, 0), (-1, 4), (0, 2 * GB), (GB, 2**60)])
def test_a_piece_that_cannot_be_is_refused(piece):
    with pytest.raises(InputError):
        load.address_space().mappings(GB, [piece])


# --- descriptions that do not fit -------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "old", "new", "reason"), [
    ("address_space.toml", "value = 55,", "value = 60,", r"areas\.vmalloc\.below_top.*(range|inside)"),
    ("address_space.toml", "[areas.direct]", "[areas.other]", "there must be an area direct"),
    ("address_space.toml", "value = 16, unit = \"MB\", range = [8, 32]", "value = 1, unit = \"GB\", range = [1, 1]",
     "image.*longer than the area"),
    ("parts.toml", 'upon = ["supcon"]', 'upon = ["supcom"]', r"parts\.provisioner\.upon.*did you mean supcon"),
    ("parts.toml", 'shares = ["mac_list"]', 'shares = ["max_list"]', r"parts\.rfloop\.shares.*mac_list"),
    ("parts.toml", 'of = "supervisor"', 'of = "nobody"', r"parts\.rfm\.of = 'nobody'"),
    ("architectures/ix.toml", 'level = "beneath"', 'level = "user"', "the most privileged first"),
    ("architectures/ix.toml", 'per = "application"', 'per = "machine"', "one for applications"),
    ("architectures/ix.toml", 'per = "machine"', 'per = "rack"', r"layers\.beneath\.per = 'rack'"),
])
def test_a_description_that_does_not_fit_is_told_in_one_line(tmp_path, file, old, new, reason):
    from rainforest_model.resources import data_path

    text = data_path("systems", *file.split("/")).read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    read = {"address_space.toml": load.address_space, "parts.toml": load.parts}.get(file, load.architecture)
    with pytest.raises(InputError, match=reason) as caught:
        read(str(path))
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


def parameters(value):
    """Every parameter of a description."""
    if isinstance(value, Parameter):
        yield value
    elif isinstance(value, Description):
        for key in type(value).model_fields:
            yield from parameters(getattr(value, key))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from parameters(inner)


@pytest.mark.parametrize("description", [load.address_space(), load.parts()], ids=repr)
def test_numbers_say_where_they_come_from_and_estimates_that_they_are(description):
    found = list(parameters(description))
    assert found
    for parameter in found:
        assert len(parameter.source) > 10
        assert parameter.basis == ("derived" if "estimate" in parameter.source else "cited")
        assert parameter.basis == "cited" or parameter.range[0] < parameter.value < parameter.range[1]


def test_no_architecture_is_left_out_and_none_is_called_otherwise():
    assert set(load.architectures()) == set(fig02.RELATED)
    assert all(load.architecture(id).id == id for id in load.architectures())
    with pytest.raises(InputError, match="known: barrelfish"):
        load.architecture("plan9")


# --- boxes and words --------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6), st.floats(0, 0.1))
def test_columns_and_rows_fill_their_box(weights, gap):
    box = Box(1.0, 2.0, 5.0, 4.0)
    columns, rows = box.columns(weights, gap), box.rows(weights, gap)
    assert columns[0].x == pytest.approx(box.x)
    assert columns[-1].right == pytest.approx(box.right)
    assert rows[0].top == pytest.approx(box.top)
    assert rows[-1].y == pytest.approx(box.y)
    for left, right in itertools.pairwise(columns):
        assert right.x - left.right == pytest.approx(gap)
    for upper, lower in itertools.pairwise(rows):
        assert upper.y - lower.top == pytest.approx(gap)
    assert columns[0].spanning(columns[-1]).width == pytest.approx(box.width)


def test_words_shrink_wrap_or_are_named():
    with plots.style():
        _, axes = drawing.sheet(3, 3)
        drawing.write(axes, Box(0, 2, 2, 0.3), "short", size=8)
        drawing.write(axes, Box(0, 1, 0.6, 0.4), "two words", size=8)
        drawing.write(axes, Box(0, 0, 0.3, 0.1), "incomprehensibility")
    one, two, three = axes.texts
    assert (one.get_fontsize(), one.get_text()) == (8, "short")
    assert two.get_text() == "two\nwords"
    assert drawing.overflowing(axes) == ["incomprehensibility"]
    assert three.get_fontsize() == drawing.SMALLEST


def test_captions_are_computed():
    for module in DRAWINGS:
        numbers = re.findall(r"\d+", module.describe_figure(saved(module)))
        assert len(numbers) >= 3
    assert "seed 7" in fig05.describe_figure(dataclasses.replace(saved(fig05), seed=7))
    assert set(IDS) == {id for id in experiments.ids() if hasattr(experiments.experiment(id), "layout")}
