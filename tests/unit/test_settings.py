"""Settings: four sources in order, and one sentence for whatever is refused."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from workers.secrets import SecretFile, model_api_key
from workers.settings import (
    AtLeastOnceSettings,
    ExactlyOnceSettings,
    KafkaSettings,
    ModelSettings,
    Price,
    Settings,
    SettingsRefused,
    describe,
    load_settings,
    load_with_sources,
)

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No variable and no file of the machine reaches a test."""
    for name in list(os.environ):
        if name.upper().startswith(("NANOTRIAGE_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def written(text: str, name: str = "nanotriage.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def refused(flags=(), config=None) -> str:
    with pytest.raises(SettingsRefused) as caught:
        load_settings(dict(flags), config)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_without_any_source_the_defaults_hold() -> None:
    """A newcomer needs no setting."""
    settings = load_settings({})
    assert settings.kafka.brokers == "127.0.0.1:9092"
    assert settings.delivery == ExactlyOnceSettings()
    assert (settings.batching.max_items, settings.health.port, settings.stop_seconds) == (16, 8080, 25)


def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(clean) -> None:
    """Each source is asked in order, setting by setting, and each setting names its source."""
    written('[kafka]\napp = "file"\ngroup = "file"\nbrokers = "file:1"\n')
    clean.setenv("NANOTRIAGE_KAFKA__GROUP", "environment")
    clean.setenv("NANOTRIAGE_KAFKA__BROKERS", "environment:1")
    loaded = load_with_sources({"kafka.brokers": "flag:1", "kafka.username": None})
    assert (loaded.settings.kafka.app, loaded.settings.kafka.group, loaded.settings.kafka.brokers) == (
        "file",
        "environment",
        "flag:1",
    )
    assert loaded.sources == {
        "kafka.app": "nanotriage.toml: kafka.app",
        "kafka.group": "NANOTRIAGE_KAFKA__GROUP",
        "kafka.brokers": "command line: kafka.brokers",
    }


@given(st.sampled_from([row for row in describe() if row.type.startswith(("integer", "number"))]), st.sampled_from("fev"))
def test_every_numeric_setting_can_be_set_from_every_source(row, source) -> None:
    """What the table lists is what can be set: no name in it is a dead one."""
    value = row.default or "1000"
    section, _, key = row.name.rpartition(".")
    with pytest.MonkeyPatch.context() as patch:
        flags, config = {}, None
        if source == "f":
            flags[row.name] = value
        elif source == "e":
            patch.setenv(row.variable, value)
        else:
            config = written(f"[{section}]\n{key} = {value}\n" if section else f"{key} = {value}\n")
        loaded = load_with_sources(flags, config)
        Path("nanotriage.toml").unlink(missing_ok=True)
    assert row.name in loaded.sources
    assert not row.default or loaded.settings == load_settings({})


def test_limits_that_are_not_set_are_to_be_learned(clean) -> None:
    """Neither a number nor a guess stands in for what the provider may tell."""
    assert (load_settings({}).limits.requests_per_minute, load_settings({}).limits.tokens_per_minute) == (None, None)
    clean.setenv("NANOTRIAGE_LIMITS__TOKENS_PER_MINUTE", "200000")
    assert load_settings({"limits.requests_per_minute": 500}).limits.requests_per_minute == 500
    assert load_settings({}).limits.tokens_per_minute == 200_000
    assert load_settings({"limits.tokens_per_minute": "off"}).limits.tokens_per_minute is None


def test_the_file_is_named_by_option_or_variable_and_must_then_exist(clean) -> None:
    """A file that was asked for and is missing is refused, not ignored."""
    written('[kafka]\ngroup = "mine"\n', "other.toml")
    assert load_settings({}, Path("other.toml")).kafka.group == "mine"
    clean.setenv("NANOTRIAGE_CONFIG", "other.toml")
    assert load_settings({}).kafka.group == "mine"
    clean.setenv("NANOTRIAGE_CONFIG", "missing.toml")
    assert "missing.toml" in refused()


def test_a_file_that_is_not_toml_is_refused_with_its_line() -> None:
    """The sentence says where."""
    assert "line 2" in refused(config=written('[kafka]\ngroup = = "x"\n'))


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("kafka.brokrs", "kafka.brokers"), ("kafka.max_items", "batching.max_items"), ("stop_second", "stop_seconds")],
)
def test_an_unknown_key_is_refused_with_what_was_probably_meant(wrong, meant, clean) -> None:
    """From the file, the environment and the command line alike."""
    section, _, key = wrong.rpartition(".")
    path = written(f"[{section}]\n{key} = 1\n" if section else f"{key} = 1\n")
    assert refused().startswith(f"nanotriage.toml: {wrong} is no setting; did you mean {meant}?")
    path.unlink()
    assert f"did you mean {meant}?" in refused({wrong: "1"})
    variable = "NANOTRIAGE_" + wrong.replace(".", "__").upper()
    clean.setenv(variable, "1")
    sentence = refused()
    assert sentence.startswith(f"{variable} is no setting")
    assert sentence.endswith("NANOTRIAGE_" + meant.replace(".", "__").upper() + "?")


def test_variables_that_kubernetes_makes_for_a_service_of_our_name_are_no_settings(clean) -> None:
    """A Service called nanotriage must not keep its own pods from starting."""
    clean.setenv("NANOTRIAGE_SERVICE_HOST", "10.0.0.1")
    clean.setenv("NANOTRIAGE_SERVICE_PORT", "8080")
    clean.setenv("NANOTRIAGE_SERVICE_PORT_HTTP", "8080")
    clean.setenv("NANOTRIAGE_PORT", "tcp://10.0.0.1:8080")
    clean.setenv("NANOTRIAGE_PORT_8080_TCP", "tcp://10.0.0.1:8080")
    clean.setenv("NANOTRIAGE_PORT_8080_TCP_ADDR", "10.0.0.1")
    clean.setenv("NANOTRIAGE_METRICS_PORT_8080_TCP_PROTO", "tcp")
    assert load_settings({}).health.port == 8080


def test_an_empty_variable_counts_as_unset(clean) -> None:
    """Helm and compose write empty values for what is not given."""
    clean.setenv("NANOTRIAGE_KAFKA__USERNAME", "")
    assert load_settings({}).kafka.username is None


def test_a_wrong_value_is_refused_naming_its_source(clean) -> None:
    """Flag, variable, or file and key."""
    clean.setenv("NANOTRIAGE_BATCHING__MAX_ITEMS", "0")
    assert refused().startswith("NANOTRIAGE_BATCHING__MAX_ITEMS should be greater than or equal to 1")
    clean.delenv("NANOTRIAGE_BATCHING__MAX_ITEMS")
    written("[health]\nport = 70000\n")
    assert refused().startswith("nanotriage.toml: health.port should be less than or equal to 65535")
    assert "command line: logs.format should be" in refused({"logs.format": "xml", "health.port": 1})
    assert refused({"kafka": "x", "health.port": 1}) == "command line: kafka should be a table"


@pytest.mark.parametrize(
    ("kafka", "said"),
    [
        ({"sasl_mechanism": "PLAIN"}, "sasl_mechanism is set but security is PLAINTEXT"),
        ({"username": "u"}, "username is set but security is PLAINTEXT"),
        ({"password": SECRET}, "password is set but security is PLAINTEXT"),
        ({"ca_file": "ca.pem"}, "ca_file is set but security PLAINTEXT uses no TLS"),
        ({"security": "SASL_PLAINTEXT"}, "security SASL_PLAINTEXT needs sasl_mechanism"),
        ({"security": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": "u"}, "security SASL_SSL needs password_file"),
        ({"security": "SSL", "cert_file": "c.pem"}, "cert_file and key_file belong together"),
        ({"brokers": "kafka"}, "host:port"),
        ({"brokers": "kafka:99999"}, "host:port"),
    ],
)
def test_contradictory_security_is_refused(kafka, said) -> None:
    """What cannot work together does not start."""
    with pytest.raises(ValidationError) as caught:
        KafkaSettings(**kafka)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_contradiction_names_where_its_parts_were_set(clean) -> None:
    """One sentence with every source of the section."""
    written('[kafka]\nsecurity = "ssl"\n')
    clean.setenv("NANOTRIAGE_KAFKA__USERNAME", "me")
    sentence = refused()
    assert "username is set but security is SSL" in sentence
    assert "nanotriage.toml: kafka.security, NANOTRIAGE_KAFKA__USERNAME" in sentence


def test_delivery_is_one_of_two_promises() -> None:
    """Exactly once unless said otherwise; a promise that nobody keeps is refused, and the section is checked in either."""
    assert load_settings({"delivery.commit_seconds": 1}).delivery == ExactlyOnceSettings(commit_seconds=1)
    assert load_settings({"delivery.mode": "exactly_once"}).delivery == ExactlyOnceSettings()
    assert load_settings({"delivery.mode": "at_least_once", "delivery.order": "none"}).delivery == AtLeastOnceSettings(
        order="none"
    )
    sentence = refused({"delivery.mode": "at_most_once"})
    assert sentence == "command line: delivery.mode should be one of 'exactly_once', 'at_least_once'"
    for mode in (None, "exactly_once", "at_least_once"):
        sentence = refused({"delivery.mode": mode, "delivery.commit_seconds": 0})
        assert sentence.startswith("command line: delivery.commit_seconds should be greater")


def test_secrets_come_from_files_or_the_environment_only() -> None:
    """A secret in the settings file or on the command line is refused, without being quoted."""
    sentence = refused({"model.api_key": SECRET})
    assert "NANOTRIAGE_MODEL__API_KEY" in sentence
    written(f'[kafka]\npassword = "{SECRET}"\n')
    assert "kafka.password_file" in refused()
    assert SECRET not in refused() + sentence


def test_a_secret_is_never_shown_by_the_settings(clean) -> None:
    """Neither repr nor str nor JSON of the settings has it."""
    clean.setenv("NANOTRIAGE_MODEL__API_KEY", SECRET)
    settings = load_settings({})
    assert settings.model.api_key == SecretStr(SECRET)
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_key_given_as_its_own_file_name_is_refused_unquoted() -> None:
    """The commonest slip must not end in a log."""
    assert "sk-abc" not in refused({"model.api_key_file": "sk-abc"})


def test_credentials_in_the_endpoint_are_refused_unquoted() -> None:
    """They would be shown wherever the endpoint is."""
    sentence = refused({"model.base_url": f"https://me:{SECRET}@host/v1"})
    assert "credentials" in sentence
    assert SECRET not in sentence


def test_settings_cannot_change() -> None:
    """A worker that runs has one configuration."""
    with pytest.raises(ValidationError):
        load_settings({}).kafka.group = "other"


def test_the_constructor_reads_no_environment(clean) -> None:
    """Only `load_settings` looks around."""
    clean.setenv("NANOTRIAGE_KAFKA__GROUP", "environment")
    assert Settings().kafka.group == "nanotriage"


def test_prices_are_shipped_added_to_and_unknown_rather_than_zero(clean) -> None:
    """A model without a price has none."""
    assert load_settings({}).model.price() == Price(input=0.10, cached=0.01, output=0.50)
    assert load_settings({"model.name": "gpt-5-nano-2025-08-07"}).model.price() == Price(input=0.05, cached=0.005, output=0.40)
    assert load_settings({"model.name": "mine"}).model.price() is None
    clean.setenv("NANOTRIAGE_MODEL__PRICES", json.dumps({"mine": {"input": 1, "cached": 0, "output": 2}}))
    assert load_settings({"model.name": "mine"}).model.price() == Price(input=1, cached=0, output=2)
    assert load_settings({"model.prices.gpt-5.6-luna.input": 9}).model.prices["gpt-5.6-luna"].input == 9
    clean.setenv("NANOTRIAGE_MODEL__PRICES", "cheap")
    assert "NANOTRIAGE_MODEL__PRICES is not JSON" in refused()


def test_a_cached_token_is_paid_once_at_the_cached_price() -> None:
    """Providers count cached tokens among the input."""
    assert Price(input=1, cached=0.1, output=2).dollars(1_000_000, 400_000, 500_000) == pytest.approx(0.6 + 0.04 + 1.0)


@pytest.mark.parametrize(
    ("url", "theirs"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com.example.org/v1", False),
        ("https://notapi.openai.com/v1", False),
        ("http://127.0.0.1:8090/v1", False),
    ],
)
def test_openai_s_variable_is_only_for_openai_s_own_endpoint(url, theirs) -> None:
    """No other endpoint is ever shown that key."""
    key = model_api_key(ModelSettings(base_url=url), {"OPENAI_API_KEY": SECRET})
    assert (key is not None) is theirs


def test_a_secret_file_is_read_again_when_it_changes(tmp_path) -> None:
    """A rotated key needs no restart."""
    path = tmp_path / "key"
    path.write_text("one\n")
    secret = SecretFile(path, "model.api_key_file")
    assert secret.read().get_secret_value() == "one"
    path.write_text("two\r\n")
    assert secret.read().get_secret_value() == "two"


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"", 0o600, "empty"),
        (b" \n", 0o600, "empty"),
        (SECRET.encode(), 0o666, "written by everybody"),
        (f"{SECRET}\nmore".encode(), 0o600, "more than one line"),
        (b"\xff\xfe", 0o600, "UTF-8"),
        (None, 0, "cannot be read"),
    ],
)
def test_a_bad_secret_file_is_refused_without_its_content(content, mode, said, tmp_path) -> None:
    """One sentence, naming the setting and the file."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(SettingsRefused) as caught:
        SecretFile(path, "kafka.password_file").read()
    sentence = str(caught.value)
    assert sentence.startswith("kafka.password_file: ")
    assert said in sentence
    assert SECRET not in sentence
