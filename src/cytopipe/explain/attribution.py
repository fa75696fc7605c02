"""Attribution maps of a classifier, by captum: how much each position contributes to the predicted class.

Integrated gradients: Sundararajan 2017, arXiv:1703.01365; over random baselines: Erion 2021, arXiv:1906.10670.
Grad-CAM: Selvaraju 2017, arXiv:1610.02391. Guided back-propagation: Springenberg 2015, arXiv:1412.6806.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection

import numpy as np
import torch
from captum.attr import GuidedBackprop, IntegratedGradients, LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from cytopipe.explain.layers import MethodNotApplicable, last_feature_map, require_relu
from cytopipe.models.without_compiler import torchvision

RANDOM, BLACK, BLURRED = "integrated_gradients", "integrated_gradients_black", "integrated_gradients_blurred"
GRAD_CAM, GUIDED = "grad_cam", "guided_backprop"
METHODS = (RANDOM, BLACK, BLURRED, GRAD_CAM, GUIDED)
PIXELS = 96 * 64 * 64  # positions per pass through the network; bounds the memory for any image size
BLUR = 0.1  # standard deviation of the blurred baseline, as a share of the image's side

Maps = dict[str, np.ndarray]  # method -> N x H x W float64


class Attribution:
    """Attribution maps of one network.

    Args:
        model: network that returns N x classes logits; it is put into evaluation mode and its weights are frozen.
        black: 1 x C x H x W, the network's input for a black image, on the network's device.
        white: the same for a white image; random baselines are drawn uniformly between the two.
        baselines: number of random baselines, which all images share.
        seed: seed of the random baselines.
        wanted: names of the methods to apply.

    Attributes:
        skipped: for each method that does not apply to this network, the reason.
        methods: names of the methods that are applied, in order.
    """

    def __init__(
        self,
        model: nn.Module,
        black: Tensor,
        white: Tensor,
        baselines: int,
        seed: int = 0,
        wanted: Collection[str] = METHODS,
    ) -> None:
        self.model, self.black = model.eval().requires_grad_(False), black
        generator = torch.Generator().manual_seed(seed)  # drawn on the CPU: the same on every device
        drawn = torch.rand((baselines, *black.shape[1:]), generator=generator).to(black)
        self.random = black + (white - black) * drawn
        self.skipped: dict[str, str] = {}
        self._make: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
            RANDOM: self._over_random,
            BLACK: lambda images, targets, steps: self._from(self.black, images, targets, steps),
            BLURRED: lambda images, targets, steps: self._from(blurred(images), images, targets, steps),
        }
        try:
            self.layer, module = last_feature_map(self.model, black)
            self._grad_cam = LayerGradCam(self._log_odds, module)
            self._make[GRAD_CAM] = lambda images, targets, _: self._upscaled_cam(images, targets)
        except MethodNotApplicable as reason:
            self.skipped[GRAD_CAM] = str(reason)
        try:
            require_relu(self.model)
            self._guided = GuidedBackprop(_LogOdds(self.model))
            self._make[GUIDED] = lambda images, targets, _: self._guide(images, targets)
        except MethodNotApplicable as reason:
            self.skipped[GUIDED] = str(reason)
        self.methods = [method for method in self._make if method in wanted]

    def __call__(self, images: Tensor, targets: Tensor, steps: int) -> Maps:
        """Compute the maps of a batch; they are positive where a position speaks for the class. Channels are summed.

        Integrated gradients explain the probability of the class. The random baselines share `steps` gradients per
        image, interleaved along the path, with at least one each, because the choice of baselines changes a map more
        than the number of steps from each. The path from a single baseline takes half as many, by Gauss-Legendre
        quadrature. `completeness_gaps` measures how exact each map is.
        Grad-CAM and guided backpropagation explain the log-odds: their gradient is that of the probability without a
        factor that vanishes where the network is confident.

        Args:
            images: N x C x H x W, the network's input.
            targets: N indices of the classes to explain.
            steps: number of gradients per image.

        Returns:
            N x H x W float64 for each method.
        """
        at_once = self.at_once(images)
        found: dict[str, list[Tensor]] = {method: [] for method in self.methods}
        for some, classes in zip(images.split(at_once), targets.split(at_once), strict=True):
            for method in self.methods:
                found[method].append(self._make[method](some, classes, steps).detach().double().sum(dim=1).cpu())
        return {method: torch.cat(maps).numpy() for method, maps in found.items()}

    def completeness_gaps(self, images: Tensor, targets: Tensor, maps: Maps) -> dict[str, np.ndarray]:
        """Completeness of integrated gradients: the sum of a map minus the change of the probability from the baseline.

        Args:
            images: N x C x H x W.
            targets: N indices of the classes that were explained.
            maps: the maps of these images.

        Returns:
            N absolute differences for each method of integrated gradients; 0 is exact.
        """
        changes = self.changes(images, targets)
        return {method: np.abs(maps[method].sum(axis=(1, 2)) - change) for method, change in changes.items()}

    def changes(self, images: Tensor, targets: Tensor) -> dict[str, np.ndarray]:
        """Change of the target class's probability from each baseline of integrated gradients, N float64."""
        with torch.inference_mode():
            black, random = self._probability(self.black)[0], self._probability(self.random).mean(dim=0)
        ends = {
            RANDOM: random[targets].cpu().numpy(),
            BLACK: black[targets].cpu().numpy(),
            BLURRED: self.probability_of(blurred(images), targets),
        }
        here = self.probability_of(images, targets)
        return {method: here - end for method, end in ends.items()}

    def at_once(self, images: Tensor) -> int:
        """Number of images of this size per pass."""
        return max(1, PIXELS // (images.shape[2] * images.shape[3]))

    def probability_of(self, images: Tensor, targets: Tensor) -> np.ndarray:
        """Probability of the target class of each image, N float64."""
        at_once = self.at_once(images)
        with torch.inference_mode():
            parts = zip(images.split(at_once), targets.split(at_once), strict=True)
            return torch.cat([self._chosen(*part) for part in parts]).cpu().numpy()

    def _chosen(self, images: Tensor, targets: Tensor) -> Tensor:
        return self._probability(images).gather(1, targets[:, None])[:, 0]

    def _probability(self, images: Tensor) -> Tensor:
        return torch.softmax(self.model(images).double(), dim=1)

    def _log_odds(self, images: Tensor) -> Tensor:
        return log_odds(self.model(images))

    def _from(self, baseline: Tensor, images: Tensor, targets: Tensor, steps: int) -> Tensor:
        found: Tensor = IntegratedGradients(self._probability).attribute(
            images,
            baseline.expand_as(images).contiguous(),
            target=targets,
            n_steps=-(-steps // 2),
            internal_batch_size=max(self.at_once(images), len(images)),
        )
        return found

    def _over_random(self, images: Tensor, targets: Tensor, steps: int) -> Tensor:
        """Integrated gradients over all baselines: the path has `steps` pieces, dealt to the baselines in turn."""
        pieces = max(steps, len(self.random))
        at_once = max(1, self.at_once(images) // len(images))
        total = torch.zeros_like(images)
        for some in torch.arange(pieces).split(at_once):
            starts = self.random[some % len(self.random)][:, None]
            ways = images[None] - starts  # pieces x N x C x H x W
            begin, end = (at.to(images).view(-1, 1, 1, 1, 1) for at in (some / pieces, (some + 1) / pieces))
            total += self._middle((starts + end * ways).flatten(0, 1), (starts + begin * ways).flatten(0, 1), targets)
        return total

    def _middle(self, ends: Tensor, begins: Tensor, targets: Tensor) -> Tensor:
        """Integrated gradients of short paths (pieces * N x C x H x W) by the midpoint rule, summed over the pieces."""
        pieces = len(ends) // len(targets)
        integrated = IntegratedGradients(self._probability)
        found: Tensor = integrated.attribute(ends, begins, target=targets.repeat(pieces), n_steps=1)
        pieces_of_images: Tensor = found.unflatten(0, (pieces, len(targets)))
        return pieces_of_images.sum(dim=0)

    def _upscaled_cam(self, images: Tensor, targets: Tensor) -> Tensor:
        coarse = self._grad_cam.attribute(_fresh(images), targets, relu_attributions=True)
        return F.interpolate(coarse.detach(), images.shape[2:], mode="bilinear", align_corners=False)

    def _guide(self, images: Tensor, targets: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")
            guided: Tensor = self._guided.attribute(_fresh(images), targets)
        return guided


class _LogOdds(nn.Module):
    """A classifier that returns log-odds; captum needs a module to set its hooks on."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return log_odds(self.model(images))


def log_odds(logits: Tensor) -> Tensor:
    """N x classes logits -> log(p / (1 - p)) of each softmax probability p; finite even where p rounds to 0 or 1."""
    classes = logits.shape[1]
    if classes == 1:
        return logits
    itself = torch.eye(classes, dtype=torch.bool, device=logits.device)
    others = logits.double()[:, None, :].masked_fill(itself, -torch.inf)  # N x class x other classes
    return logits.double() - torch.logsumexp(others, dim=2)


def blurred(images: Tensor) -> Tensor:
    """Images N x C x H x W, blurred so that their colours stay and their details vanish: a baseline."""
    side = min(images.shape[2:])
    radius = min(int(3 * BLUR * side + 0.5), side - 1)
    smooth: Tensor = torchvision.transforms.functional.gaussian_blur(images, [2 * radius + 1] * 2, [BLUR * side] * 2)
    return smooth


def _fresh(images: Tensor) -> Tensor:
    """A copy of the images that requires gradients; because the weights are frozen, nothing else does."""
    return images.detach().clone().requires_grad_()
