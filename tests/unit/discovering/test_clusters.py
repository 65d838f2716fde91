"""Clusters: what lies close together and apart from the rest is found, in a few words."""

import numpy as np
import pytest

from workers.discovering.candidates import candidate, rows
from workers.discovering.clusters import clusters
from workers.discovering.escalations import Escalation
from workers.discovering.terms import distinguishing
from workers.discovering.vectors import Kind, by_model, by_words, choose


def planted(rng, groups, size, others, width=384):
    """Unit vectors: some groups around random directions, and others in any direction."""
    middles = rng.standard_normal((groups, width))
    near = np.repeat(middles, size, axis=0) + 0.5 * rng.standard_normal((groups * size, width))
    found = np.concatenate([near, rng.standard_normal((others, width))])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_planted_clusters_are_found_and_nothing_else(seed):
    """Each of them whole; what was planted alone is in none of them."""
    found = clusters(planted(np.random.default_rng(seed), 6, 25, 100))
    members = [set(one.members) for one in found]
    for group in range(6):
        whole = set(range(25 * group, 25 * (group + 1)))
        assert max(len(whole & one) / len(whole | one) for one in members) > 0.8


def test_the_same_vectors_give_the_same_clusters_the_largest_first():
    """So two runs can be compared."""
    vectors = planted(np.random.default_rng(1), 3, 20, 30)
    found = clusters(vectors)
    assert found == clusters(vectors.copy())
    assert [len(one.members) for one in found] == sorted((len(one.members) for one in found), reverse=True)


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.ones((3, 4)), np.zeros((40, 4)), np.ones((40, 1))])
def test_too_few_vectors_or_all_alike_are_no_failure(vectors):
    """Nothing, or one cluster at most."""
    assert len(clusters(vectors)) <= 1


def test_a_cluster_is_told_by_the_words_that_it_has_and_others_have_not():
    """Not by those that everybody uses, nor by one that a single text has."""
    inside = ["please cancel my table", "cancel the table for two", "i want my table cancelled", "cancel table now"]
    outside = ["please tell me the time", "what is the weather", "i want my money", "play the music for me"] * 5
    assert distinguishing(inside, outside, most=2) == ["table", "cancel"]
    assert "now" not in distinguishing(inside, outside, most=20)


def test_a_candidate_says_size_words_what_the_model_said_and_central_examples():
    """One row a cluster, and one more for each further example."""
    members = [Escalation(str(n), f"cancel table {n}\nnow", {"intent": None if n else "pay"}) for n in range(4)]
    others = [Escalation(str(n), f"other thing {n}", {"intent": "pay"}) for n in range(12)]
    one = candidate(members, others, 2)
    assert (one.size, one.share, one.said) == (4, 0.25, [("intent=unknown", 0.75), ("intent=pay", 0.25)])
    assert rows([one]) == [
        ["4", "25.0%", "cancel, now, table", "intent=unknown 75%, intent=pay 25%", "cancel table 0 now"],
        ["", "", "", "", "cancel table 1 now"],
    ]
    assert one.as_json()["examples"] == [{"id": "0", "text": "cancel table 0\nnow"}, {"id": "1", "text": "cancel table 1\nnow"}]


def test_vectors_of_words_need_no_model_and_no_words():
    """Texts that share words are nearer to each other than to others."""
    vectors = by_words(["cancel my table", "cancel the table", "play some music"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert by_words(["!", "?"]).shape[0] == 2
    assert choose(Kind.WORDS) is Kind.WORDS


def test_embedding_tells_how_far_it_is():
    """In steps, up to the last text."""

    class Lengths:
        def embed_all(self, texts):
            return np.array([[len(text), 1.0] for text in texts])

    told = []
    vectors = by_model(Lengths(), ["x" * n for n in range(100)], told.append)
    assert vectors[:, 0].tolist() == list(range(100))
    assert told == [64, 100]
