"""Subjects and floors."""

import json

import pytest
from countersign import subject
from countersign._floors import Floor, Floors, subjects

from .conftest import ROOT

VECTORS = json.loads((ROOT / "docs/reference/subjects.json").read_text(encoding="utf-8"))


def test_the_vectors_that_every_follower_passes():
    assert {vector["scope"] for vector in VECTORS} == {"token", "session", "user", "client", "issuer"}
    for vector in VECTORS:
        assert subject(vector["scope"], vector["id"]) == vector["subject"], vector
    with pytest.raises(ValueError, match="no scope"):
        subject("group", "42")


def test_each_scope_reads_its_own_claim():
    claims = {"jti": "jti-1", "sid": "sid-1", "sub": "42", "client_id": "countersign"}
    claims["iss"] = "http://127.0.0.1:5000"
    ids = [("token", "jti"), ("session", "sid"), ("user", "sub"), ("client", "client_id"), ("issuer", "iss")]
    published = {(vector["scope"], vector["id"]): vector["subject"] for vector in VECTORS}
    expected = [Floor.read(entry(published[scope, claims[claim]])).subject for scope, claim in ids]
    assert subjects(claims) == expected


def entry(subject, **other):
    return {"seq": 9, "scope": "user", "subject": subject, "reason": "revoked", "exp": 10, **other}


@pytest.mark.parametrize(
    "bad",
    [
        entry("AAAA"),
        entry("6j_UO-HlfWLhY9rhn8dAv!"),
        entry("6j_UO-HlfWLhY9rhn8dAvQ", scope="group"),
        entry("6j_UO-HlfWLhY9rhn8dAvQ", reason="perhaps"),
        entry("6j_UO-HlfWLhY9rhn8dAvQ", seq=-1),
        entry("6j_UO-HlfWLhY9rhn8dAvQ", seq=1.5),
        entry("6j_UO-HlfWLhY9rhn8dAvQ", exp=True),
    ],
)
def test_a_floor_that_is_not_understood_is_an_error_and_never_skipped(bad):
    with pytest.raises(ValueError):
        Floor.read(bad)


A, B = b"a" * 16, b"b" * 16


@pytest.mark.parametrize(
    ("floors", "rev", "verdict"),
    [
        ([], 5, None),
        ([], 11, "ahead"),
        ([(6, A, True)], 5, "revoked"),
        ([(6, A, True)], 6, None),
        ([(6, A, False)], 5, "superseded"),
        ([(6, A, True), (7, A, False)], 5, "revoked"),
        ([(6, A, True), (7, A, False)], 6, "superseded"),
        ([(6, A, False), (7, B, True)], 5, "revoked"),
        ([(7, A, True), (6, A, True)], 6, "revoked"),
        ([(12, A, False)], 11, "ahead"),
        ([(12, A, True)], 11, "revoked"),
    ],
)
def test_every_matching_floor_counts_and_none_masks_another(floors, rev, verdict):
    held = Floors()
    held.apply([Floor(*floor, expires=100) for floor in floors], 10)
    assert held.judge([A, B], rev) == verdict


def test_a_floor_is_kept_until_the_latest_time_that_it_was_given():
    held = Floors()
    held.apply([Floor(2, A, True, 20), Floor(1, A, True, 10)], 2)
    held.prune(19.9)
    assert held.judge([A], 1) == "revoked"
    held.prune(20)
    assert len(held) == 0
