"""Checks instructions: empty ones, spelling variants, and likely typos."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.recorded import RecordedEpisode

RARE = 0.2  # of the other's episodes: a typing error is rarer than the word that was meant
SHORTEST_WORD, LONG_WORD, LONGEST_WORD = 4, 8, 40  # letters; in a long word two may be wrong
SHOWN = 6


def word_findings(episodes: Sequence[RecordedEpisode]) -> Iterator[DataFinding]:
    """Check the instructions of all episodes."""
    where = defaultdict[str, list[int]](list)
    for one in episodes:
        for sentence in {*one.sentences}:
            where[sentence].append(one.number)
    empty = tuple(number for sentence, numbers in where.items() if not sentence.strip() for number in numbers)
    if empty:
        yield DataFinding("instruction-empty", f"{len(empty)} episodes have an empty instruction.", empty)
    variants = defaultdict[str, list[str]](list)
    for sentence in where:
        variants[_plain(sentence)].append(sentence)
    several = {
        plain: sorted(its, key=lambda one: -len(where[one]))
        for plain, its in variants.items()
        if plain and len(its) > 1
    }
    if several:
        rare = tuple(sorted(number for its in several.values() for one in its[1:] for number in where[one]))
        yield DataFinding("instruction-spelling", f"{_pairs([(its[1], its[0]) for its in several.values()])}.", rare)
    counts = Counter(
        {max(its, key=lambda one: len(where[one])): sum(len(where[one]) for one in its) for its in variants.values()}
    )
    typos = [*_typos(counts)]
    if typos:
        rare = tuple(sorted(number for wrong, _ in typos for number in where[wrong]))
        yield DataFinding("instruction-typo", f"{_pairs(typos)}.", rare)


def _plain(sentence: str) -> str:
    """Without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", sentence.casefold())


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    shown = [f"{wrong!r:.80} vs. {right!r:.80}" for wrong, right in pairs[:SHOWN]]
    return ", ".join(shown) + (f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else "")


def _typos(counts: Counter[str]) -> Iterator[tuple[str, str]]:
    """Pairs of instructions that differ in one similar word, which is rare in the dataset."""
    split = {sentence: sentence.casefold().split() for sentence in counts}
    words = Counter[str]()
    for sentence, its in split.items():
        for word in its:
            words[word] += counts[sentence]
    alike = defaultdict[tuple[int, str, str], list[str]](list)
    for sentence, its in split.items():
        for i, word in enumerate(its[:64]):
            if word.isalpha() and SHORTEST_WORD <= len(word) <= LONGEST_WORD:
                alike[i, " ".join(its[:i]), " ".join(its[i + 1 :])].append(sentence)
    said = set[str]()
    for (i, _, _), sentences in alike.items():
        by_count = sorted(sentences, key=lambda one: -words[split[one][i]])
        for place, wrong in enumerate(by_count):
            for right in by_count[:place][:SHOWN]:
                one, other = split[wrong][i], split[right][i]
                rare = words[one] <= RARE * words[other] and one != other and wrong not in said
                if rare and edit_distance(one, other) <= 1 + (len(other) >= LONG_WORD):
                    said.add(wrong)
                    yield wrong, right


def edit_distance(one: str, other: str) -> int:
    """Edit distance with transpositions of adjacent letters (Damerau-Levenshtein, restricted)."""
    rows: list[list[int]] = [[*range(len(other) + 1)]]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, its in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
