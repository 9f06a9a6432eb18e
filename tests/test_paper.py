"""The claims of the paper are complete and well formed, and verdicts follow their rules to the border."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace
from typing import get_args

import pytest
from pydantic import ValidationError

from rainforest_model import paper
from rainforest_model.errors import InputError


def words(text):
    return text.split()


# The rows of the reading list of the paper, in its order.
ROWS = words("""
    G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 T2a T2b T2c T3 T1 A1 A2 A3 A4 A5 I1 I2 I3 I4 I5 I6 I7 I8 I9
    F3a1 F3a2 F3a3 F3b1 F3b2 F3b3 F3b4 F61 F62 F63 F64 F65 F66 F67 F71 F72 F73 F74 F75
    F81 F82 F83 F84 F85 F86 F87 F88 F91 F92 F93 F94 F95 F96 F97 F98 T4a T4b T4c T4d
    F101 F102 F103 F104 F105 F111 T5a T5b T5c T5d S1 F121 F122 F123 F124 F131 F132 F133 F134
    N1 N2 SO1 SO2 B1 B2
""")

ARTEFACTS = words("""
    fig01_architecture fig02_structures fig03a_mmap fig03b_search_parsec_linux fig04_rainforest
    fig05_memory_layout fig06_microbenchmarks fig07_slowdown_grid fig08_search_load fig09_search_parsec
    fig10_search_timeline fig11_cores_timeline fig12_memcached fig13_spark tab01_shared_state tab02_hardware
    tab03_effort tab04_elasticity tab05_consolidation sec642_channels sec642_subos_count
    sec7_barrelfish_munmap
""")

# Rows whose id is itself a claim: orderings, and rows with one number.
WHOLE = words("""
    G1 T1 F3a1 F3a2 F3a3 F3b2 F3b3 F3b4 F61 F62 F63 F64 F65 F66 F67 F74 F75 F85 F92 F93 F94 F95 F96 F97
    T4d F104 F111 T5d F123 F124 F134 SO2 B1
""")

# Numbers as printed, typed here from the paper a second time: (row, systems in order, numbers).
SIX = "linux-2.6.32 linux-2.6.35m linux-3.17.4 lxc xen rainforest"
PRINTED = [
    ("F3b1", "linux-2.6.32 linux-2.6.35m linux-3.17.4 linux-4.9.40", "108.6 134.5 127.7 138.1"),
    ("F86", "linux-2.6.35m lxc xen rainforest", "400 350 350 500"),
    ("F87", "linux-2.6.35m lxc xen rainforest", "59.8 58.0 55.7 69.7"),
    ("F91", "lxc xen rainforest", "129.3 210.9 128.5"),
    ("T4a.create", "lxc xen rainforest", "2.1 14.2 6.1"),
    ("T4a.destroy", "lxc xen rainforest", "0 5.9 0"),
    ("T4b.online", "lxc xen rainforest", "0.002 0.126 0.066"),
    ("T4b.offline", "lxc xen rainforest", "0.002 0.127 0.054"),
    ("T4c.online", "lxc xen rainforest", "0.002 0.167 0.020"),
    ("T4c.offline", "lxc xen rainforest", "0.002 0.166 0.060"),
    ("F105", SIX, "22 26 25 19 6 20"),
    ("T5a", SIX, "1058.7 1136.5 1054.4 1716.8 4731.0 1520.0"),
    ("T5b", SIX, "379.3 371.4 410.8 284.1 305.4 230.2"),
    ("T5c", SIX, "217.1 217.9 219.1 214.0 209.4 214.4"),
    ("F122", "linux-2.6.32 linux-2.6.35m linux-3.17.4 lxc xen", "7.8 4.2 2.0 1.3 1.4"),
    ("F132", "linux lxc xen", "1.43 1.16 1.78"),
    ("F133", "linux lxc xen", "1.71 1.69 2.60"),
    ("N1", "loopback xen nic", "0.63 1.47 15.95"),
    ("N2", "loopback xen nic", "0.44 13.02 4.34"),
    ("SO1", "select aggregation join", "4 4 8"),
    (
        "T3",
        "supervisor rfcontroller subos ficm rfcom suboscon rfloop rftun rffuse others",
        "994 1837 1969 1438 1522 1331 752 2339 980 4789",
    ),
    ("T2a", "sockets cores_per_socket threads_per_socket clock l3 dram", "2 6 12 2.4 12 32"),
    ("T2b", "sockets cores_per_socket threads_per_socket clock l3 dram", "4 10 20 2.4 30 1"),
    ("T2c", "nics nic_rate disks disk_capacity disk_speed disk_cache", "8 1000 8 1 7200 64"),
]


def estimate(value, low=None, high=None):
    return SimpleNamespace(value=value, low=low, high=high)


def made(**fields):
    """A claim of our own, for the rules."""
    base = dict(id="X1", where="nowhere", artefact="general", quantity="q", systems=["rainforest"])
    base |= dict(kind="exact", reading="r", role="predicted")
    return paper.Claim.model_validate(base | fields)


def number(value=100.0, **fields):
    return made(value=value, unit="ms", **fields)


# --- the files ---------------------------------------------------------------------------------


def test_contents_are_exactly_the_papers():
    assert [item.id for item in paper.contents()] == ARTEFACTS


def test_contents_kinds_follow_their_ids():
    kinds = {"fig": "figure", "tab": "table", "sec": "text"}
    assert all(item.kind == kinds[item.id[:3]] for item in paper.contents())


def test_rows_are_exactly_the_reading_lists():
    assert {claim.row for claim in paper.claims()} == set(ROWS)


@pytest.mark.parametrize("id", WHOLE)
def test_whole_rows_keep_their_id(id):
    assert paper.claim(id).id == id


def test_no_id_is_used_twice():
    ids = [claim.id for claim in paper.claims()]
    assert len(ids) == len(set(ids))


def test_every_artefact_is_in_the_contents():
    assert {claim.artefact for claim in paper.claims()} <= {*ARTEFACTS, paper.GENERAL}


def test_every_artefact_has_a_claim():
    claimed = {claim.artefact for claim in paper.claims()}
    assert set(ARTEFACTS) <= claimed


@pytest.mark.parametrize(("row", "names", "numbers"), PRINTED, ids=[row for row, _, _ in PRINTED])
def test_numbers_are_the_printed_ones(row, names, numbers):
    found = [paper.claim(f"{row}.{name}").value for name in names.split()]
    assert found == [float(number) for number in numbers.split()]


def test_single_numbers_are_the_printed_ones():
    values = {"F85": 450, "F88.utilisation": 90, "F92": 150.6, "F93": 25.6, "F95": 46, "F96": 300}
    values |= {"F111": 11, "SO2": 170, "I1": 64, "I2": 2, "I4.before": 150, "I4.after": 70}
    values |= {"F61": 6, "F72": 11, "F73": 32, "F101.requests": 482400, "F101.duration": 37.5}
    values |= {"F102.lower": 160, "F102.upper": 200, "F102.window": 10, "F103": 13}
    values |= {"S1.instances": 4, "S1.cores": 10, "S1.memory": 250, "S1.tmpfs": 50}
    assert {id: paper.claim(id).value for id in values} == values


def test_bounds_are_the_printed_ones():
    bounds = {"F3b4": (40, None), "F94": (None, 8), "F81.utilisation": (None, 50), "F104.xen": (500, None)}
    bounds |= {"F104.rainforest": (200, 300), "F84.lxc": (200, None), "F84.xen": (200, None)}
    bounds |= {"F84.rainforest": (None, 200), "F84.linux-2.6.35m": (None, 200), "F111.tail": (200, None)}
    assert {id: (paper.claim(id).low, paper.claim(id).high) for id in bounds} == bounds


def test_table_3_sums_to_its_total():
    lines = [claim.value for claim in paper.claims() if claim.row == "T3" and claim.kind == "configuration"]
    assert len(lines) == 10
    assert sum(lines) == paper.claim("T3.total").value == 17951


def test_derived_numbers_follow_from_printed_ones():
    def value(id):
        return paper.claim(id).value

    assert value("F101.rate") == pytest.approx(value("F101.requests") / (60 * value("F101.duration")))
    assert value("F61.cores") * value("F61") == value("T2a.cores")
    for server in ("T2a", "T2b"):
        assert value(f"{server}.cores") == value(f"{server}.sockets") * value(f"{server}.cores_per_socket")


def test_a_suffix_that_names_a_system_is_about_that_system():
    for claim in paper.claims():
        suffix = next((name for name in get_args(paper.SystemId) if claim.id.endswith(f".{name}")), None)
        assert suffix is None or suffix in claim.systems


def test_each_claim_has_at_most_one_number():
    """A value, or one bound, or one range; beside a value only the band of its rounding."""
    valued = [claim for claim in paper.claims() if claim.value is not None]
    banded = [claim for claim in valued if (claim.low, claim.high) != (None, None)]
    assert all(claim.where == "Table 4" and claim.low <= claim.value <= claim.high for claim in banded)


def test_units_kinds_and_roles_are_legal():
    for claim in paper.claims():
        assert claim.kind in get_args(paper.ClaimKind)
        assert claim.role in get_args(paper.Role)
        assert (claim.unit in paper.UNITS) == claim.has_number
        assert (claim.tolerance is None) == (claim.value is None)
        assert claim.has_number != (claim.kind == "ordering") or claim.kind == "configuration"
        assert (claim.role == "context") == (claim.kind in ("configuration", "derived"))


def test_text_is_text():
    for claim in paper.claims():
        for words in (claim.quantity, claim.reading, claim.note):
            assert words == words.strip()
        assert claim.quantity.endswith(".")
        assert claim.reading.endswith(".")


def test_entries_are_frozen():
    with pytest.raises(ValidationError):
        paper.claim("F85").value = 1.0
    with pytest.raises(ValidationError):
        paper.contents()[0].title = "x"


def test_unknown_claim_suggests_near_ones():
    with pytest.raises(InputError, match=r"claims\.toml.*'F122'.*F122\.linux-2\.6\.32"):
        paper.claim("F122")
    with pytest.raises(InputError, match="no such claim"):
        paper.claim("nonsense")


def test_pandas_is_not_imported():
    code = "import sys, rainforest_model.paper; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- malformed files ---------------------------------------------------------------------------

GOOD = {
    "id": '"X1"',
    "where": '"here"',
    "artefact": '"fig08_search_load"',
    "quantity": '"q"',
    "systems": '["xen"]',
    "kind": '"exact"',
    "value": "1.5",
    "unit": '"ms"',
    "reading": '"r"',
    "role": '"predicted"',
}


def write(tmp_path, *entries, name="mine.toml"):
    text = "\n".join("[[claim]]\n" + "\n".join(f"{k} = {v}" for k, v in entry.items()) for entry in entries)
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_ones_own_reads(tmp_path):
    (claim,) = paper.read_claims(write(tmp_path, GOOD))
    assert (claim.value, claim.tolerance, claim.systems) == (1.5, paper.DEFAULT_TOLERANCE, ("xen",))


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({"kind": '"certain"'}, "claim[X1].kind = 'certain'", "exact"),
        ({"role": '"guessed"'}, "claim[X1].role = 'guessed'", "predicted"),
        ({"value": '"fast"'}, "claim[X1].value = 'fast'", "number"),
        ({"value": "true"}, "claim[X1].value = True", "number"),
        ({"value": "nan"}, "claim[X1].value = nan", "finite"),
        ({"unit": '"furlongs"'}, "claim[X1].unit = 'furlongs'", "known unit"),
        ({"unit": None}, "claim[X1].unit", "known unit"),
        ({"value": None}, "claim[X1].value", "needs a value"),
        ({"where": None}, "claim[X1].where", "missing"),
        ({"systems": '["plan9"]'}, "claim[X1].systems.0 = 'plan9'", "xen"),
        ({"artefact": '"fig99_none"'}, "claim[X1].artefact = 'fig99_none'", "table of contents"),
        ({"tolerance": "-0.1"}, "claim[X1].tolerance = -0.1", "greater"),
        ({"low": "2.0"}, "claim[X1].low = 2.0", "ascend"),
        ({"kind": '"ordering"'}, "claim[X1].kind = 'ordering'", "no number"),
        ({"kind": '"configuration"'}, "claim[X1].role = 'predicted'", "context"),
        ({"colour": '"red"'}, "claim[X1].colour = 'red'", "not permitted"),
        ({"id": '"x 1"'}, "claim[x 1].id = 'x 1'", "must look like"),
        ({"id": None}, "claim[#1].id", "missing"),
    ],
)
def test_a_malformed_entry_gives_one_error_with_file_and_key(tmp_path, change, key, reason):
    entry = {k: v for k, v in (GOOD | change).items() if v is not None}
    path = write(tmp_path, entry)
    with pytest.raises(InputError, match=reason) as caught:
        paper.read_claims(path)
    assert str(caught.value).startswith(f"{path}: {key}")
    assert "\n" not in str(caught.value)


def test_several_findings_are_counted(tmp_path):
    path = write(tmp_path, GOOD | {"kind": '"certain"', "role": '"guessed"'})
    with pytest.raises(InputError, match=r"\(and 1 more\)"):
        paper.read_claims(path)


def test_an_id_twice_is_an_error(tmp_path):
    path = write(tmp_path, GOOD, GOOD)
    with pytest.raises(InputError, match="twice") as caught:
        paper.read_claims(path)
    assert caught.value.key == "claim[X1].id"
    assert caught.value.file == path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[claim]\n", "no valid TOML"),
        ("", "one or more"),
        ("[claims]\n", "unknown table"),
        ("claim = 3", "one or more"),
    ],
)
def test_a_file_of_another_shape_is_an_error(tmp_path, text, reason):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=reason) as caught:
        paper.read_claims(path)
    assert caught.value.file == path


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        paper.read_contents(tmp_path / "none.toml")


def test_malformed_contents_name_the_item(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[item]]\nid = "figure eight"\ntitle = "t"\nsection = "1"\nkind = "figure"\n')
    with pytest.raises(InputError, match=r"item\[figure eight\]\.id"):
        paper.read_contents(path)


# --- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (100, "holds"),
        (110, "holds"),
        (110.001, "misses"),
        (90, "holds"),
        (89.999, "misses"),
        (math.inf, "misses"),
    ],
)
def test_a_value_holds_up_to_its_tolerance(value, outcome):
    assert paper.judge_value(number(), estimate(value)).verdict == outcome


@pytest.mark.parametrize(
    ("tolerance", "value", "outcome"),
    [(0.0, 8, "holds"), (0.0, 8.001, "misses"), (0.5, 12, "holds"), (0.5, 12.01, "misses")],
)
def test_a_claim_may_set_its_tolerance(tolerance, value, outcome):
    assert paper.judge_value(number(8.0, tolerance=tolerance), estimate(value)).verdict == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (100, 160, "holds"),
        (100.01, 160, "misses"),
        (50, 160, "holds"),
        (None, None, "misses"),
        (math.nan, 1, "misses"),
        (-math.inf, math.inf, "misses"),
    ],
)
def test_a_value_holds_when_the_models_interval_covers_it(low, high, outcome):
    verdict = paper.judge_value(number(), estimate(130, low, high))
    assert verdict.verdict == outcome
    assert ("holds by its interval" in verdict.note) == (outcome == "holds")
    assert "30.0 % above" in verdict.note


def test_the_note_does_not_credit_the_interval_where_tolerance_suffices():
    assert paper.judge_value(number(), estimate(95, 90, 101)).note == "5.0 % below"


@pytest.mark.parametrize(
    ("bounds", "value", "outcome", "note"),
    [
        ({"low": 200}, 200, "holds", "inside"),
        ({"low": 200}, 199.9, "misses", "below the bound"),
        ({"low": 200}, math.inf, "holds", "inside"),
        ({"high": 8}, 8, "holds", "inside"),
        ({"high": 8}, 8.01, "misses", "above the bound"),
        ({"low": 200, "high": 300}, 300, "holds", "inside"),
        ({"low": 200, "high": 300}, 330, "misses", "10.0 % above the bound"),
        ({"low": 200, "high": 300}, 180, "misses", "10.0 % below the bound"),
    ],
)
def test_bounds_have_no_tolerance(bounds, value, outcome, note):
    claim = made(kind="approximate", unit="ms", **bounds)
    verdict = paper.judge_value(claim, estimate(value, value - 50, value + 50))
    assert (verdict.verdict, verdict.value) == (outcome, None)
    assert note in verdict.note


@pytest.mark.parametrize(("value", "outcome"), [(0, "holds"), (0.05, "holds"), (0.0501, "misses")])
def test_a_printed_zero_holds_below_its_resolution(value, outcome):
    assert paper.judge_value(paper.claim("T4a.destroy.rainforest"), estimate(value)).verdict == outcome


def test_a_verdict_carries_claim_and_estimate():
    verdict = paper.judge_value(number(), estimate(104, 103, 105), "two seeds")
    expected = ("X1", "exact", "predicted", "general", 100, 104, 103, 105, "holds", "4.0 % above; two seeds")
    assert verdict == paper.Verdict(*expected)


def test_no_value_misses():
    assert paper.judge_value(number(), estimate(math.nan, 90, 110)).verdict == "misses"
    assert paper.judge_probability(paper.claim("F62"), estimate(math.nan)).verdict == "misses"


@pytest.mark.parametrize(
    ("value", "outcome"), [(0.95, "holds"), (1, "holds"), (0.9499, "misses"), (0, "misses")]
)
def test_an_ordering_holds_from_its_threshold_on(value, outcome):
    verdict = paper.judge_probability(paper.claim("F62"), estimate(value, 0.0, 1.0), "said so")
    assert (verdict.verdict, verdict.model, verdict.value) == (outcome, value, None)
    assert verdict.note.endswith("said so")


def test_a_fact_is_exact():
    cores = paper.claim("T2a.cores")
    assert paper.judge_fact(cores, 12).verdict == "holds"
    assert paper.judge_fact(cores, 12.001).verdict == "misses"
    assert paper.judge_fact(paper.claim("I3"), 0.64).verdict == "holds"
    assert paper.judge_fact(paper.claim("I3"), 1.1).verdict == "misses"
    assert paper.judge_fact(paper.claim("G5"), True).verdict == "holds"
    assert paper.judge_fact(paper.claim("T1"), False).verdict == "misses"


@pytest.mark.parametrize(
    "call",
    [
        lambda: paper.judge_value(paper.claim("F62"), estimate(1)),
        lambda: paper.judge_value(paper.claim("T2a.cores"), estimate(12)),
        lambda: paper.judge_value(number(), estimate(100, 110, 90)),
        lambda: paper.judge_probability(paper.claim("F85"), estimate(1)),
        lambda: paper.judge_probability(paper.claim("F62"), estimate(1.5)),
        lambda: paper.judge_fact(paper.claim("T2a.cores"), True),
        lambda: paper.judge_fact(paper.claim("G5"), 1.0),
        lambda: paper.Verdict("X1", "exact", "predicted", "general", 1, 1, 1, 1, "perhaps"),
    ],
)
def test_a_judgement_that_does_not_fit_its_claim_is_an_error(call):
    with pytest.raises(InputError):
        call()


# --- score and table ---------------------------------------------------------------------------


def judged(id, value, low=None, high=None):
    return paper.judge_value(paper.claim(id), estimate(value, low, high))


def test_score_has_every_claim_once_in_order():
    rows = paper.score({"fig08_search_load": [judged("F85", 455), judged("F86.xen", 500)]})
    assert [row.id for row in rows] == [claim.id for claim in paper.claims()]
    outcome = {row.id: row.verdict for row in rows if row.verdict != "not modelled"}
    assert outcome == {"F85": "holds", "F86.xen": "misses"}


def test_score_of_nothing_is_all_not_modelled():
    assert {row.verdict for row in paper.score({})} == {"not modelled"}


def test_score_refuses_unknown_claims_naming_the_experiment():
    stranger = paper.judge_value(number(), estimate(100))
    with pytest.raises(InputError, match=r"experiment mine.*'X1'.*no such claim"):
        paper.score({"mine": [stranger]})


def test_score_refuses_a_second_judgement():
    one = judged("F85", 455)
    with pytest.raises(InputError, match=r"experiment a.*F85.*twice, before by a"):
        paper.score({"a": [one, one]})
    with pytest.raises(InputError, match=r"experiment b.*F85.*twice, before by a"):
        paper.score({"a": [one], "b": [one]})


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_not_modelled_is_no_judgement(order):
    given = {"a": [paper.not_modelled(paper.claim("F85"), "no knee")], "b": [judged("F85", 455)]}
    row = next(row for row in paper.score({name: given[name] for name in order}) if row.id == "F85")
    assert row.verdict == "holds"
    alone = next(row for row in paper.score({"a": given["a"]}) if row.id == "F85")
    assert (alone.verdict, alone.note) == ("not modelled", "no knee")


def test_the_table_starts_with_totals_and_stays_narrow():
    verdicts = [judged("T5a.xen", 4731.04, 4500.123, 4900.456), judged("F85", 600)]
    verdicts.append(judged("T4b.offline.rainforest", 0.0541))
    long = "a long remark " * 20
    verdicts.append(paper.not_modelled(paper.claim("F62"), long))
    verdicts.append(paper.judge_fact(paper.claim("T2a.threads_per_socket"), -12345.678901))
    rows = paper.score({"all": verdicts})
    lines = paper.verdict_table(rows).splitlines()
    total = f"{len(rows)} claims: 2 hold, 2 miss, {len(rows) - 4} not modelled (predicted 2/3, context 0/1)"
    assert lines[0] == total
    assert max(map(len, lines)) <= paper.WIDTH == 100
    assert " ".join(" ".join(lines).split()).count("a long remark") == 20
    assert [line.split()[0] for line in lines[3:] if not line.startswith(" ")] == [row.id for row in rows]


def test_columns_align():
    lines = paper.verdict_table([judged("T5a.xen", 4731.04, 4500.1, 4900.4), judged("F85", 600)]).splitlines()
    header, first, second = lines[2:]
    assert header.index("verdict") == first.index("holds") == second.index("misses")


def test_an_empty_table_is_no_error():
    assert paper.verdict_table([]).startswith("0 claims: 0 hold, 0 miss, 0 not modelled")
