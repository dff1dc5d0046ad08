"""Real data that comes inside the package: nothing is downloaded."""

from ._japanese_vowels import JapaneseVowels, load_japanese_vowels

__all__ = ["JapaneseVowels", "load_japanese_vowels"]
