"""Augmentations against scipy, and their distributions."""

import jax
import numpy as np
import pytest
from scipy import ndimage, stats

from funcdl.augment import AUGMENTATIONS, READS
from funcdl.augment.make import make_augment
from funcdl.errors import DataError, StudyError
from tests.quick import quick

KEY = jax.random.key(3)
IMAGES = np.random.default_rng(0).normal(size=(24, 9, 7, 2)).astype("float32")
BLACK = {"order": 1, "mode": "grid-constant", "cval": 0.0}
INPUTS = {
    "images": IMAGES,
    "sequences": np.random.default_rng(1).normal(size=(24, 20, 3)).astype("float32"),
    "tables": np.random.default_rng(2).normal(size=(24, 5)).astype("float32"),
    "ids": np.random.default_rng(3).integers(1, 90, (24, 20)).astype("int32"),
}
NOTHING = {
    "shift": {"pixels": 0.0},
    "flip": {"rate": 0.0},
    "rotate": {"degrees": 0.0},
    "affine": {"degrees": 0.0, "scale": 0.0, "shear": 0.0, "pixels": 0.0},
    "cutout": {"size": 0.0},
    "time_mask": {"share": 0.0},
    "token_dropout": {"rate": 0.0},
    "noise": {"scale": 0.0},
    "scaling": {"scale": 0.0},
    "feature_swap": {"rate": 0.0},
}
ALL = [(name, kind) for name, kinds in READS.items() for kind in kinds]
each = pytest.mark.parametrize(("name", "kind"), ALL, ids=lambda word: word)


def augmented(spec, inputs, key=KEY) -> np.ndarray:
    return np.asarray(quick(make_augment(spec))(key, inputs))


def test_every_augmentation_is_in_the_battery():
    assert set(AUGMENTATIONS) == set(READS) == set(NOTHING)


@each
def test_zero_strength_changes_no_bit(name, kind):
    """Also where it is traced, as it is in a run."""
    numbers = {key: np.float32(value) for key, value in NOTHING[name].items()}
    apply = quick(lambda numbers, x: make_augment({"name": name, **numbers})(KEY, x))
    np.testing.assert_array_equal(apply(numbers, INPUTS[kind]), INPUTS[kind])


@each
def test_each_example_has_a_draw_of_its_own(name, kind):
    """It follows from the key and the example's position, and from nothing else."""
    inputs = np.broadcast_to(INPUTS[kind][:1], INPUTS[kind].shape)
    if name == "feature_swap":  # it needs others to swap with
        inputs = INPUTS[kind]
    apply = quick(make_augment(name))
    changed = np.asarray(apply(KEY, inputs))
    assert changed.shape == inputs.shape
    assert changed.dtype == inputs.dtype
    assert (changed != apply(jax.random.key(4), inputs)).any()
    if name != "feature_swap":
        assert len(np.unique(changed, axis=0)) >= (2 if name == "flip" else 9)
        np.testing.assert_array_equal(changed[:5], apply(KEY, inputs[:5]))


def test_shift_is_scipys_and_every_shift_is_as_likely():
    image = IMAGES[0]
    many = np.broadcast_to(image, (2000, *image.shape))
    changed = augmented({"name": "shift", "pixels": 2}, many)
    counts = [
        (changed == ndimage.shift(image, (dy, dx, 0), order=0)).all((1, 2, 3)).sum()
        for dy in range(-2, 3)
        for dx in range(-2, 3)
    ]
    assert sum(counts) == 2000
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("name", ["rotate", "affine"])
def test_affine_is_scipys(name):
    """The drawn numbers, put into scipy's float64 by formulas of our own."""
    most = {"degrees": 70.0, "scale": 0.4, "shear": 0.3, "pixels": 2.5}
    if name == "rotate":
        most = {"degrees": 70.0}
    changed = augmented({"name": name, **most}, IMAGES)
    key = jax.random.fold_in(jax.random.fold_in(KEY, 0), 0)
    drawn = np.asarray(jax.random.uniform(key, (24, 5), "float32", -1, 1), "float64")
    centre = (np.array(IMAGES.shape[1:3]) - 1) / 2
    for image, found, (angle, factor, slope, dy, dx) in zip(IMAGES, changed, drawn, strict=True):
        angle = np.deg2rad(angle * most["degrees"])
        if name == "rotate":
            degrees = np.rad2deg(angle)
            expected = ndimage.rotate(image.astype("float64"), degrees, reshape=False, **BLACK)
        else:
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            slant = np.array([[1, 0], [slope * most["shear"], 1]])
            matrix = turn @ slant / (1 + factor * most["scale"])
            offset = centre - matrix @ centre + np.array([dy, dx]) * most["pixels"]
            channels = [
                ndimage.affine_transform(image[..., c].astype("float64"), matrix, offset, **BLACK)
                for c in range(2)
            ]
            expected = np.stack(channels, -1)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_flip_mirrors_as_many_as_it_says():
    many = np.broadcast_to(IMAGES[0], (2000, *IMAGES[0].shape))
    for axis, mirrored in (("horizontal", IMAGES[0][:, ::-1]), ("vertical", IMAGES[0][::-1])):
        changed = augmented({"name": "flip", "axis": axis, "rate": 0.2}, many)
        flipped = (changed == mirrored).all((1, 2, 3))
        assert ((changed == IMAGES[0]).all((1, 2, 3)) ^ flipped).all()
        assert stats.binomtest(int(flipped.sum()), 2000, 0.2).pvalue > 0.01
    with pytest.raises(ValueError, match="axis: 'both' given; allowed horizontal, vertical"):
        make_augment({"name": "flip", "axis": "both"})(KEY, IMAGES)


def test_cutout_hides_a_square_wherever_its_centre_falls():
    ones = np.ones((3000, 12, 10, 1), "float32")
    hidden = augmented({"name": "cutout", "size": 4}, ones)[..., 0] == 0
    rows, columns = hidden.any(2).sum(1), hidden.any(1).sum(1)
    np.testing.assert_array_equal(hidden.sum((1, 2)), rows * columns)  # a rectangle
    assert rows.max() == columns.max() == 4
    # A pixel in the middle is hidden if the centre is among 4 of 12 rows and 4 of 10 columns.
    assert stats.binomtest(int(hidden[:, 6, 5].sum()), 3000, 4 / 12 * 4 / 10).pvalue > 0.01
    assert stats.binomtest(int(hidden[:, 0, 0].sum()), 3000, 2.5 / 12 * 2.5 / 10).pvalue > 0.01


def test_time_mask_hides_one_stretch():
    ones = np.ones((3000, 50, 2), "float32")
    hidden = augmented({"name": "time_mask", "share": 0.4}, ones) == 0
    np.testing.assert_array_equal(hidden[..., 0], hidden[..., 1])
    lengths = hidden[..., 0].sum(1)
    edges = np.diff(hidden[..., 0].astype(int), axis=1, prepend=0, append=0)
    assert ((edges == 1).sum(1) == (lengths > 0)).all()
    assert lengths.max() <= 20
    # Lengths are evenly spread over 0 to 20, and lie on the grid to half a step.
    assert stats.kstest(lengths, stats.uniform(0, 20).cdf).statistic < 0.05


def test_token_dropout_leaves_padding():
    ids = np.tile(np.r_[np.arange(1, 71), np.zeros(30, int)].astype("int32"), (500, 1))
    changed = augmented({"name": "token_dropout", "rate": 0.3, "token": 99}, ids)
    assert (changed[ids == 0] == 0).all()
    dropped = changed != ids
    assert (changed[dropped] == 99).all()
    assert stats.binomtest(int(dropped.sum()), 500 * 70, 0.3).pvalue > 0.01


def test_noise_and_scaling_have_the_spread_they_say():
    zeros, ones = np.zeros((500, 40), "float32"), np.ones((500, 30, 40), "float32")
    added = augmented({"name": "noise", "scale": 0.5}, zeros)
    assert stats.kstest(added.ravel(), stats.norm(0, 0.5).cdf).pvalue > 0.01
    factors = augmented({"name": "scaling", "scale": 0.2}, ones)
    np.testing.assert_array_equal(factors, np.broadcast_to(factors[:, :1], factors.shape))
    assert stats.kstest(factors[:, 0].ravel(), stats.norm(1, 0.2).cdf).pvalue > 0.01


def test_feature_swap_takes_from_its_own_column():
    table = np.arange(4000, dtype="float32").reshape(800, 5)
    changed = augmented({"name": "feature_swap", "rate": 0.4}, table)
    assert (changed % 5 == np.arange(5)).all()
    swapped = changed != table
    assert stats.binomtest(int(swapped.sum()), 4000, 0.4 * 799 / 800).pvalue > 0.01
    donors = (changed // 5)[swapped]
    assert stats.kstest(donors, stats.uniform(0, 800).cdf).pvalue > 0.01
    rows = changed // 5  # each value has a donor of its own
    assert (np.ptp(np.where(swapped, rows, rows.mean()), axis=1) > 0).mean() > 0.5


def test_several_are_applied_in_order_with_draws_of_their_own():
    both = augmented(["noise", "noise"], INPUTS["tables"]) - INPUTS["tables"]
    once = augmented("noise", INPUTS["tables"]) - INPUTS["tables"]
    assert abs(both - 2 * once).max() > 0.1
    black_then_noise = augmented([{"name": "cutout", "size": 40}, "noise"], IMAGES)
    noise_then_black = augmented(["noise", {"name": "cutout", "size": 40}], IMAGES)
    assert (noise_then_black == 0).all()
    assert (black_then_noise != 0).all()


def test_what_is_no_input_of_its_kind_is_left_alone():
    tree = {"history": INPUTS["ids"], "user": np.arange(24, dtype="int32")}
    changed = make_augment({"name": "token_dropout", "rate": 0.5, "token": 0})(KEY, tree)
    np.testing.assert_array_equal(changed["user"], tree["user"])
    assert (changed["history"] != tree["history"]).any()
    own = make_augment({"name": lambda key, inputs, by: {**inputs, "user": by}, "by": 3})
    assert own(KEY, tree)["user"] == 3
    with pytest.raises(DataError, match=r"flip reads images.*int32 \[24, 20\].*token_dropout"):
        make_augment("flip")(KEY, tree)
    with pytest.raises(StudyError, match="unknown augmentation 'filp'; did you mean flip"):
        make_augment("filp")
