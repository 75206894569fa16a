"""The types that are taken wherever a text may be substituted."""

from .substitution import SomeSubstitutionsType, Substitution

SomeSubstitutionsType_types_tuple = (str, Substitution, list, tuple)

__all__ = ["SomeSubstitutionsType", "SomeSubstitutionsType_types_tuple"]
