import hashlib
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiview import paths
from kiview.core.errors import NetworkError
from kiview.jobs.networks import installed_networks, verify_network
from kiview.nets.catalog import Origin, read_card
from kiview.nets.catalogs import load_catalogs

SHIPPED = paths.models_dir()
BUNDLED = load_catalogs(SHIPPED).cards
IDS = [card.id for card in BUNDLED]
ID = "ki-fdg-torso-1"
VERSION = load_catalogs(SHIPPED).card(ID).version


def install(root, network_id="site-net", version="1.0.0", entry_id=None, change=None):
    """A copy of a bundled network under another id and version, listed in `root`."""
    folder = f"{network_id}-{version}"
    shutil.copytree(SHIPPED / ID, root / folder)
    path = root / folder / "card.toml"
    text = path.read_text(encoding="utf-8")
    text = text.replace(f'\nid = "{ID}"', f'\nid = "{network_id}"', 1)
    text = text.replace(f'\nversion = "{VERSION}"', f'\nversion = "{version}"', 1)
    if change is not None:
        assert change[0] in text
        text = text.replace(*change)
    path.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    catalogue = root / "catalog.toml"
    if not catalogue.exists():
        catalogue.write_text("schema_version = 1\n", encoding="utf-8")
    with catalogue.open("a", encoding="utf-8") as file:
        file.write(f'\n[[network]]\nid = "{entry_id or network_id}"\nfolder = "{folder}"\n')
        file.write(f'card_sha256 = "{digest}"\n')
    return root / folder


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


@pytest.fixture
def user(tmp_path):
    (tmp_path / "user").mkdir()
    return tmp_path / "user"


def test_that_networks_of_site_and_user_follow_the_shipped_ones(site, user):
    install(site)
    install(user, "my-net")
    catalog = load_catalogs(SHIPPED, site, user)
    assert [(card.id, card.origin) for card in catalog.cards] == [
        *((card, Origin.SHIPPED) for card in IDS),
        ("site-net", Origin.SITE),
        ("my-net", Origin.USER),
    ]
    assert catalog.broken == ()
    assert catalog.default.id == IDS[0]
    assert verify_network(catalog.card("my-net")) == ""


def test_that_all_versions_can_be_chosen_and_the_newest_comes_first(user):
    for version in ("1.9.0", "1.10.0", "1.2"):
        install(user, "my-net", version)
    catalog = load_catalogs(SHIPPED, None, user)
    assert [card.version for card in catalog.cards[len(IDS) :]] == ["1.10.0", "1.9.0", "1.2"]
    assert catalog.card("my-net").version == "1.10.0"
    assert catalog.card("my-net@1.9.0").version == "1.9.0"


def test_that_an_update_of_a_shipped_network_stands_beside_it(user):
    install(user, ID, "99.0.0")
    catalog = load_catalogs(SHIPPED, None, user)
    assert catalog.card(ID).origin is Origin.SHIPPED
    assert catalog.card(f"{ID}@99.0.0").origin is Origin.USER
    assert catalog.default.origin is Origin.SHIPPED


def test_that_no_network_takes_the_place_of_a_shipped_one_or_of_another(site, user):
    install(site, ID, VERSION)
    install(site, "net", "1.0")
    install(user, "net", "1.0")
    catalog = load_catalogs(SHIPPED, site, user)
    assert [card.name for card in catalog.cards] == [*(c.name for c in BUNDLED), "net@1.0"]
    assert catalog.card("net").origin is Origin.SITE
    assert [(one.id, one.origin) for one in catalog.broken] == [
        (ID, Origin.SITE),
        ("net", Origin.USER),
    ]
    assert f"a shipped network {ID} {VERSION} already" in catalog.broken[0].reason
    assert "a site network net 1.0 already" in catalog.broken[1].reason


def test_that_one_version_listed_twice_counts_once(user):
    folder = install(user, "net", "1.0")
    digest = hashlib.sha256((folder / "card.toml").read_bytes()).hexdigest()
    with (user / "catalog.toml").open("a", encoding="utf-8") as file:
        file.write(f'[[network]]\nid = "net"\nfolder = "{folder.name}"\ncard_sha256 = "{digest}"\n')
    catalog = load_catalogs(SHIPPED, None, user)
    assert len(catalog.cards) == len(IDS) + 1
    assert "already" in catalog.broken[0].reason


def test_that_a_broken_network_is_told_and_hides_no_other(site):
    broken = install(site, "broken")
    install(site, "sound")
    (broken / "card.toml").write_text("changed = 1\n", encoding="utf-8")
    catalog = load_catalogs(SHIPPED, site)
    assert [card.id for card in catalog.cards] == [*IDS, "sound"]
    assert (catalog.broken[0].id, catalog.broken[0].origin) == ("broken", Origin.SITE)
    assert "card.toml was changed" in catalog.broken[0].reason
    with pytest.raises(NetworkError, match=r"'broken' cannot be used: .*was changed"):
        catalog.card("broken")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("= nothing", "cannot be read"),
        ("schema_version = 1", "lists no network"),
        ("schema_version = 2\n[[network]]\nid='a'", "lists no network"),
        ("schema_version = 1\nnetwork = [1]", "lists no network"),
        ("schema_version = 1\nnetwork = 'a'", "lists no network"),
        ("a = " + "[" * 100_000, "cannot be read"),
    ],
    ids=range(6),
)
def test_that_a_broken_catalogue_is_told_and_hides_no_shipped_network(site, content, told):
    (site / "catalog.toml").write_text(content, encoding="utf-8")
    catalog = load_catalogs(SHIPPED, site)
    assert [card.id for card in catalog.cards] == IDS
    assert told in catalog.broken[0].reason
    assert str(site) in catalog.broken[0].reason


def test_that_a_site_folder_that_is_not_there_is_told_but_not_a_users(tmp_path):
    catalog = load_catalogs(SHIPPED, tmp_path / "gone", tmp_path / "never")
    (broken,) = catalog.broken
    assert broken.origin is Origin.SITE
    assert str(tmp_path / "gone") in broken.reason


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('id = "a"\nfolder = "../a"\ncard_sha256 = ""', "leaves its folder"),
        ('id = "../a"\ncard_sha256 = ""', "leaves its folder"),
        ('id = "a\\u0000"\ncard_sha256 = ""', "cannot be read"),
        ('folder = "a"', "cannot be read"),
        ('id = "a"\nfolder = "big"\ncard_sha256 = ""', "larger than"),
    ],
)
def test_that_a_strange_entry_is_told(site, entry, told):
    (site / "big").mkdir()
    with (site / "big" / "card.toml").open("wb") as file:
        file.truncate(300 << 20)
    text = f"schema_version = 1\n[[network]]\n{entry}\n"
    (site / "catalog.toml").write_text(text, encoding="utf-8")
    assert told in load_catalogs(SHIPPED, site).broken[0].reason


def test_that_a_name_of_control_characters_reaches_no_terminal(site):
    text = 'schema_version = 1\n[[network]]\nid = "a\\u001b[2J"\n'
    (site / "catalog.toml").write_text(text, encoding="utf-8")
    (broken,) = load_catalogs(SHIPPED, site).broken
    assert broken.id == repr("a\x1b[2J")
    assert broken.reason.isprintable()


def test_that_an_entry_for_another_network_than_its_card_is_told(site):
    install(site, "mine", entry_id="yours")
    assert "the card is that of 'mine'" in load_catalogs(SHIPPED, site).broken[0].reason


@pytest.mark.parametrize(
    "change",
    [
        ('\nid = "site-net"', '\nid = "site net"'),
        ('\nid = "site-net"', "\nid = 3"),
        ('\nversion = "1.0.0"', '\nversion = "new"'),
        ("voxel_mm = [4.0, 4.0, 4.0]", "voxel_mm = [1e-3, 4.0, 4.0]"),
        ("voxel_mm = [4.0, 4.0, 4.0]", "voxel_mm = [nan, 4.0, 4.0]"),
        ('title = "Ki', 'title = "<img src=x>Ki'),
        ('title = "Ki', 'title = "\\u0007Ki'),
        ("frame_count = [2, 8]", "frame_count = [8, 2]"),
        ("half_life_s = 6586.2", "half_life_s = 0.0"),
        ("shipped_position = 1.0", "shipped_position = 1.5"),
        ('name = "bottom.layers.0.weight"', 'name = "bottom.layers.0.bias"'),
        ('name = "v"\n', 'name = "w"\n'),
        ("shape = [64]\n", 'shape = ["a"]\n'),
        ("shape = [64]\n", "shape = 64\n"),
        ("offset = 446924", "offset = inf"),
        ('region = "torso"', "region = []"),
    ],
    ids=range(16),
)
def test_that_a_card_of_strange_values_is_told(site, change):
    install(site, change=change)
    catalog = load_catalogs(SHIPPED, site)
    assert [card.id for card in catalog.cards] == IDS
    assert "incomplete or wrong" in catalog.broken[0].reason


def test_that_a_card_may_have_no_slider_and_further_limits(site):
    folder = install(site)
    text = (folder / "card.toml").read_text(encoding="utf-8")
    start, end = text.index("[slider]"), text.index("[training]")
    text = text[:start] + text[end:]
    text = text.replace("[domain]", "[domain]\nscan_height_mm = [150, 1100]", 1)
    (folder / "card.toml").write_text(text, encoding="utf-8")
    card = read_card(folder / "card.toml")
    assert card.slider is None
    assert card.files == (card.network,)
    assert card.shipped_position == 1.0
    assert card.domain.scan_height_mm == (150, 1100)
    assert verify_network(card) == ""


def test_that_verify_finds_a_file_that_is_not_what_the_card_says(site):
    offset = next(
        t.offset for t in load_catalogs(SHIPPED).card(ID).tensors if t.name == "head.bias"
    )
    install(site, change=(f"offset = {offset}", f"offset = {offset + 4}"))
    card = load_catalogs(SHIPPED, site).card("site-net")
    assert "lies elsewhere than its card says" in verify_network(card)


def test_that_the_environment_goes_before_the_setting(site, user, monkeypatch):
    install(site)
    install(user, "other-site")
    monkeypatch.delenv(paths.SITE_MODELS_VARIABLE, raising=False)
    assert len(installed_networks().cards) == len(IDS)
    assert installed_networks(str(user)).card("other-site").origin is Origin.SITE
    monkeypatch.setenv(paths.SITE_MODELS_VARIABLE, str(site))
    assert [card.id for card in installed_networks(str(user)).cards] == [*IDS, "site-net"]


def test_that_the_users_networks_lie_in_the_users_folder():
    folder = paths.user_models_dir()
    assert folder.parent == paths.data_dir()
    folder.mkdir(parents=True)
    install(folder, "my-net")
    assert installed_networks().card("my-net").origin is Origin.USER


CARD = (SHIPPED / ID / "card.toml").read_bytes()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(CARD) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(CARD)),
)
def test_that_a_damaged_card_is_read_or_refused_in_a_sentence(tmp_path, changes, end):
    content = bytearray(CARD)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "card.toml"
    path.write_bytes(bytes(content[: end or None]))
    try:
        card = read_card(path)
    except NetworkError as error:
        assert len(str(error)) < 1000  # noqa: PT017 - most are refused, some are not
    else:
        assert card.title.isprintable()


def test_that_a_file_name_for_another_system_is_refused(site):
    install(site, change=('file = "model.onnx"', 'file = "model.onnx\\u0000"'))
    card = load_catalogs(SHIPPED, site).card("site-net")
    assert "cannot be read" in verify_network(card)
