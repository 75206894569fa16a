"""RT-2: a vision-language model that writes actions as text (Brohan et al. 2023, arXiv:2307.15818)."""
