"""Networks that a checkpoint is tried on where none is named, by the key of the first layer.

One of each kind whose keys and shapes are the same and whose results are too: DeiT and DINO are vision transformers.
"""

from __future__ import annotations

TORCHVISION = "torchvision/"
ALEXNET = f"{TORCHVISION}alexnet"

_RESNETS = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2"),
)
_CONVNEXTS = (
    *("convnext_atto", "convnext_femto", "convnext_pico", "convnext_nano", "convnext_tiny", "convnext_small"),
    *("convnext_base", "convnext_large", "convnextv2_atto", "convnextv2_nano", "convnextv2_tiny", "convnextv2_base"),
)
_TRANSFORMERS = (
    *("vit_tiny_patch16_224", "vit_small_patch16_224", "vit_small_patch8_224", "vit_base_patch16_224"),
    *("vit_base_patch8_224", "vit_base_patch32_224", "vit_small_patch32_224", "vit_large_patch16_224"),
    *("vit_small_patch14_dinov2", "vit_base_patch14_dinov2", "vit_large_patch14_dinov2"),
    *("vit_small_patch14_reg4_dinov2", "vit_base_patch14_reg4_dinov2", "vit_large_patch14_reg4_dinov2"),
    *("deit3_small_patch16_224", "deit3_base_patch16_224"),
    *("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224", "swin_base_patch4_window7_224"),
)
# torchvision's modules come in the order of timm's, under other names; these compute the same in both.
POSITIONAL = {
    "features.0.0.weight": (
        *("mobilenetv2_100", "convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
        *(f"efficientnet_b{size}" for size in range(5)),
    ),
    "features.0.weight": tuple(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
}
CANDIDATES = {
    **POSITIONAL,
    "features.0.weight": (*POSITIONAL["features.0.weight"], ALEXNET),
    "conv1.weight": _RESNETS,
    "4.0.conv1.weight": _RESNETS,
    "features.conv0.weight": tuple(f"densenet{depth}" for depth in (121, 161, 169, 201)),
    "conv_stem.weight": (
        *("mobilenetv2_050", "mobilenetv2_100", "mobilenetv2_140", "mobilenetv3_small_100", "mobilenetv3_large_100"),
        *("tf_mobilenetv3_small_100", "tf_mobilenetv3_large_100"),
        *(f"{tf}efficientnet_b{size}" for size in range(5) for tf in ("", "tf_")),
        *(f"{tf}efficientnet_lite{size}" for size in range(5) for tf in ("", "tf_")),
    ),
    "_conv_stem.weight": (
        *(f"tf_efficientnet_b{size}" for size in range(8)),
        *(f"tf_efficientnet_lite{size}" for size in range(5)),
    ),
    "patch_embed.proj.weight": _TRANSFORMERS,
    "conv_proj.weight": ("vit_base_patch16_224", "vit_base_patch32_224", "vit_large_patch16_224"),
    "stem.0.weight": _CONVNEXTS,
    "downsample_layers.0.0.weight": _CONVNEXTS,
    "stem.conv.weight": tuple(f"regnety_{size}" for size in ("002", "004", "008", "016", "032")),
    "stem.conv1.conv.weight": ("resnet26t", "resnet10t", "resnet14t"),
}
