"""A configuration's name does not change when a field is added."""

from dataclasses import asdict, replace

from kiview.simulate.recipe import recipe_of, recipe_text
from kiview.simulate.scan import demo_config
from kiview.simulate.slab_config import SlabConfig

FIRST_FIELDS = [
    *("kind", "region", "physiology", "reversible", "input_errors", "frame_start_s"),
    *("frame_duration_s", "frame_count", "scanner", "slices", "slice_mm", "pixels", "pixel_mm"),
    *("angles", "iterations", "subsets", "direct", "post_filter_mm", "lesions"),
    *("smallest_lesion_mm", "high_counts", "version"),
]


def test_that_a_default_recipe_says_what_it_said_before_fields_were_added():
    assert list(recipe_of(SlabConfig())) == FIRST_FIELDS
    said = recipe_text(SlabConfig())
    assert said.startswith("SlabConfig(kind='torso', region=None,")
    assert said.endswith(", high_counts=0.0, version=1)")
    assert recipe_text(demo_config()).endswith(", slices_per_chunk=6, version=1)")


def test_that_a_field_added_later_is_said_where_it_is_not_the_default():
    config = replace(SlabConfig(), frame_seconds=(300.0, 600.0))
    assert recipe_of(config) == recipe_of(SlabConfig()) | {"frame_seconds": (300.0, 600.0)}
    assert asdict(config).keys() > recipe_of(config).keys()
    assert "reconstruction='fbp'" in recipe_text(replace(demo_config(), reconstruction="fbp"))
    assert recipe_text(config).endswith(", version=1, frame_seconds=(300.0, 600.0))")
