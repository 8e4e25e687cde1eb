"""Settings file whose onion services have their folders in a folder of the test."""

from pathlib import Path

ROOT = Path(__file__).parents[3]


def settings_in(folder: Path, /, **values: str) -> Path:
    """Write the example settings, with other values for some text settings."""
    text = (ROOT / "config.example.toml").read_text("utf-8")
    for key, value in values.items():
        before = text
        lines = [f'{key} = "{value}"' if line.startswith(f"{key} = ") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
        assert before != text, key
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path
