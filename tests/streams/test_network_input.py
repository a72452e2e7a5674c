import pytest
import torch

from plasticity_bench.harness.stream import Samples


def test_every_pixel_is_standardised_by_its_own_channel_and_then_moved(samples: Samples) -> None:
    images = samples.train_x[:5]
    permutation = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    entering = samples.network_input(images, permutation).flatten(1)
    for n in range(5):
        for new in range(24):
            old = int(permutation[new])
            channel = old // 12
            pixel = images[n].flatten()[old].item()
            expected = (pixel / 255 - samples.mean[channel]) / samples.std[channel]
            assert entering[n, new].item() == pytest.approx(expected, abs=1e-5)


def test_without_a_permutation_pixels_stay_where_they_are(samples: Samples) -> None:
    images = samples.test_x[:3]
    identity = torch.arange(24)
    plain = samples.network_input(images)
    assert plain.shape == images.shape
    assert plain.dtype == torch.float32
    assert torch.equal(plain, samples.network_input(images, identity))
