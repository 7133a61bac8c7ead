"""FAISS's names for instruction sets. kith's own names are in `kith.info()["isa_available"]`."""
from __future__ import annotations

from typing import Any

from .._errors import UnsupportedError
from .._lib import lib, text
from . import arguments as args

SIMDLevel_NONE, SIMDLevel_AVX2, SIMDLevel_AVX512, SIMDLevel_AVX512_SPR, SIMDLevel_ARM_NEON, SIMDLevel_ARM_SVE, \
    SIMDLevel_RISCV_RVV, SIMDLevel_COUNT = range(8)

__all__ = ["SIMDConfig", "SIMDLevel_NONE", "SIMDLevel_AVX2", "SIMDLevel_AVX512", "SIMDLevel_AVX512_SPR",
           "SIMDLevel_ARM_NEON", "SIMDLevel_ARM_SVE", "SIMDLevel_RISCV_RVV", "SIMDLevel_COUNT"]

_NAMES = ("NONE", "AVX2", "AVX512", "AVX512_SPR", "ARM_NEON", "ARM_SVE", "RISCV_RVV")
_ISAS = {SIMDLevel_NONE: "ref", SIMDLevel_AVX2: "avx2", SIMDLevel_AVX512: "avx512", SIMDLevel_AVX512_SPR: "amx",
         SIMDLevel_ARM_NEON: "neon"}


class _Level(type):
    """The metaclass of SIMDConfig, which makes `level` a property of the class."""

    @property
    def level(cls) -> int:
        return SIMDConfig.get_level()

    @level.setter
    def level(cls, value: int) -> None:
        SIMDConfig.set_level(value)

    @property
    def supported_simd_levels(cls) -> int:
        """A set of bits; bit i is set if level i is available."""
        return sum(1 << level for level in range(SIMDLevel_COUNT) if SIMDConfig.is_simd_level_available(level))


class SIMDConfig(metaclass=_Level):
    """The instruction set that the library uses, by FAISS's names; NONE is plain C. It must not be set during a call."""

    @staticmethod
    def get_level() -> int:
        isa = text("isa")
        return next((level for level, known in _ISAS.items() if known == isa), SIMDLevel_NONE)

    get_dispatched_level = get_level

    @staticmethod
    def get_level_name() -> str:
        return _NAMES[SIMDConfig.get_level()]

    @staticmethod
    def is_simd_level_available(level: Any) -> bool:
        """Whether this CPU and this build of the library support a level."""
        return _ISAS.get(_level(level), "") in text("isa_available").split()

    @staticmethod
    def set_level(level: Any) -> None:
        if not SIMDConfig.is_simd_level_available(level):
            raise UnsupportedError(f"level is {_NAMES[level]}, which this CPU or build lacks; available: "
                                   f"{', '.join(SIMDConfig._available())}")
        lib.set_isa(_ISAS[level].encode())

    @staticmethod
    def auto_detect_simd_level() -> int:
        """The highest available level."""
        return max(level for level in _ISAS if SIMDConfig.is_simd_level_available(level))

    @staticmethod
    def has_dynamic_dispatch() -> bool:
        """Whether the level is chosen when a program starts; always true."""
        return True

    @staticmethod
    def _available() -> list[str]:
        return [_NAMES[level] for level in _ISAS if SIMDConfig.is_simd_level_available(level)]


def _level(level: Any) -> int:
    return args.count(level, "level", 0, SIMDLevel_COUNT - 1)
