"""Keys of the package efficientnet_pytorch (Melas-Kyriazi 2019), which many checkpoints have, as timm's.

Tan and Le 2019, "EfficientNet", arXiv:1905.11946. The blocks have the same order in both; timm counts them by stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

STEM = "_conv_stem.weight"  # by this key such a checkpoint is known
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2", **_SQUEEZE}
_INVERTED = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3", **_SQUEEZE},
}


def timm_names(state: Mapping[str, Tensor], timm_keys: Iterable[str]) -> dict[str, Tensor]:
    """A state dict of efficientnet_pytorch by timm's keys; keys that timm has no place for stay as they are.

    Args:
        state: tensors by the keys of efficientnet_pytorch.
        timm_keys: keys of the same network in timm.
    """
    places = sorted(
        {tuple(int(part) for part in key.split(".")[1:3]) for key in timm_keys if key.startswith("blocks.")}
    )
    inverted = {key.split(".")[1] for key in state if key.startswith("_blocks.") and "._expand_conv." in key}
    named = {}
    for key, tensor in state.items():
        first, _, rest = key.partition(".")
        if first == "_blocks":
            number, module, rest = rest.split(".", 2)
            if not number.isdigit() or int(number) >= len(places):
                named[key] = tensor
                continue
            names = _INVERTED if number in inverted else _SEPARABLE
            stage, block = places[int(number)]
            named[f"blocks.{stage}.{block}.{names.get(module, module)}.{rest}"] = tensor
        else:
            named[f"{_OUTSIDE.get(first, first)}.{rest}"] = tensor
    return named
