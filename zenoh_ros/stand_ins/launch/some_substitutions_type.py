"""The types accepted for texts with substitutions."""

from .substitution import SomeSubstitutionsType, Substitution

SomeSubstitutionsType_types_tuple = (str, Substitution, list, tuple)

__all__ = ["SomeSubstitutionsType", "SomeSubstitutionsType_types_tuple"]
