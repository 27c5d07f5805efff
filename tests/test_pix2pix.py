"""The generator and the discriminators of pix2pix are the published ones, and training does what
the losses say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from qdens_nb.models import PATCHES, PatchDiscriminator, UNetGenerator, gan_kind, receptive_field
from qdens_nb.training import TrainConfig, train
from qdens_nb.training._batches import Store, load_store
from qdens_nb.training._card import load_weights
from qdens_nb.training._pix2pix_module import Pix2PixModule, jittered, patch_of
from qdens_nb.training._train import fit_member

SETTINGS: dict[str, Any] = {
    "task": "dot_density",
    "network": "pix2pix",
    "width": 2,
    "norm": "instance",
    "learning_rate": 2e-4,
    "batch_size": 1,
    "steps": 6,
    "validate_every": 3,
    "task_options": {"centred": True, "augment": False, "density_unit": 0.3},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs for potentials, and for densities what is inside them: a task without physics."""
    rng = np.random.default_rng(0)
    grid = (np.arange(64) + 0.5) * 30 / 64
    centres, radii = rng.uniform(10, 20, (14, 2)), rng.uniform(3, 7, 14)
    along = [(grid - centres[:, i, None]) ** 2 for i in (0, 1)]
    distance = np.sqrt(along[0][:, :, None] + along[1][:, None, :])
    inside = distance < radii[:, None, None]
    density = inside * np.cos(0.5 * np.pi * distance / radii[:, None, None]) ** 2
    density *= 2.0 / density.sum((-2, -1), keepdims=True) / (30 / 64) ** 2
    dims = ("sample", "x", "y")
    content = xr.Dataset(
        {
            "potential": (dims, 0.5 * ~inside),
            "density": (dims, density),
            "split": ("sample", np.array([0] * 10 + [1] * 4, dtype=np.int8)),
        },
        attrs={"system": "quantum_dot", "size_nm": 30.0},
    )
    path = tmp_path_factory.mktemp("dots") / "shard_0.nc"
    content.to_netcdf(path)
    return path


def layers_of(network: torch.nn.Module, kind: type) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, kind)]


def test_generator_is_the_papers() -> None:
    net = UNetGenerator(1, ("density",))
    downs, ups = layers_of(net, torch.nn.Conv2d), layers_of(net, torch.nn.ConvTranspose2d)
    assert [layer.out_channels for layer in downs] == [64, 128, 256, 512, 512, 512]
    assert [layer.out_channels for layer in ups] == [512, 512, 256, 128, 64, 1]
    assert [layer.in_channels for layer in ups] == [512, 1024, 1024, 512, 256, 128]
    for layer in (*downs, *ups):
        assert (layer.kernel_size, layer.stride) == ((4, 4), (2, 2))
        assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    # none on the first, the 1x1 bottleneck and the last
    assert len(layers_of(net, torch.nn.BatchNorm2d)) == 4 + 5
    assert [layer.p for layer in layers_of(net, torch.nn.Dropout)] == [0.5] * 3
    assert {layer.negative_slope for layer in layers_of(net, torch.nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_generator_takes_any_size_divisible_by_64(norm: str) -> None:
    net = UNetGenerator(2, ("a", "b"), width=2, norm=norm)
    answer = net(torch.rand(1, 2, 64, 128))
    assert set(answer) == {"a", "b"}
    assert answer["a"].shape == (1, 64, 128)
    assert max(float(value.detach().abs().max()) for value in answer.values()) <= 1.0
    with pytest.raises(ValueError, match="divisible by 64"):
        net(torch.rand(1, 2, 64, 96))
    with pytest.raises(ValueError, match=r"expected \(batch, 2"):
        net(torch.rand(1, 1, 64, 64))
    with pytest.raises(ValueError, match="at least 2"):
        UNetGenerator(1, ("a",), downs=1)
    with pytest.raises(ValueError, match="norm='layer'"):
        UNetGenerator(1, ("a",), norm="layer")


def test_instance_norm_is_batch_norm_with_one_map_a_batch() -> None:
    nets = {}
    for norm in ("batch", "instance"):
        torch.manual_seed(0)
        nets[norm] = UNetGenerator(1, ("a",), width=4, dropout=0.0, norm=norm)
    nets["instance"].load_state_dict(nets["batch"].state_dict(), strict=False)
    x = torch.rand(1, 1, 64, 64)
    a, b = (net.train()(x)["a"] for net in nets.values())
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(nets["instance"].eval()(x)["a"], b, rtol=1e-4, atol=1e-5)


def test_dropout_is_random_in_training_only() -> None:
    net = UNetGenerator(1, ("a",), width=4, norm="instance")
    x = torch.rand(1, 1, 64, 64)
    assert not torch.equal(net(x)["a"], net(x)["a"])
    net.eval()
    assert torch.equal(net(x)["a"], net(x)["a"])


def dependence(network: torch.nn.Module, side: int, offset: int = 0) -> int:
    """Extent of the input sites that one output near the middle depends on, by autograd."""
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    answer = network(x)
    answer = answer["a"][0] if isinstance(answer, dict) else answer[0, 0]
    answer[answer.shape[0] // 2 + offset, answer.shape[1] // 2].backward()
    assert x.grad is not None
    rows = torch.nonzero(x.grad[0, 0].abs().sum(1))
    return int(rows.max() - rows.min() + 1)


@pytest.mark.parametrize("patch", PATCHES)
def test_patch_is_what_a_verdict_depends_on(patch: int) -> None:
    net = PatchDiscriminator(1, patch, width=2, norm="none").double()
    for layer in layers_of(net, torch.nn.Conv2d):
        torch.nn.init.uniform_(layer.weight, 0.5, 1.0)
    assert dependence(net, 160) == patch == net.receptive_field
    assert receptive_field(PATCHES[patch], 1 if patch == 1 else 4) == patch


def test_receptive_field_of_the_generator() -> None:
    net = UNetGenerator(1, ("a",), width=1, downs=2, dropout=0.0, norm="none", bounded=False)
    net = net.double()
    for layer in (*layers_of(net, torch.nn.Conv2d), *layers_of(net, torch.nn.ConvTranspose2d)):
        torch.nn.init.uniform_(layer.weight, 0.5, 1.0)
    assert max(dependence(net, 64, i) for i in range(4)) == net.receptive_field


def test_reference_discriminator_gives_six_by_six_verdicts() -> None:
    """As the paper says of 5 layers with strides (2, 2, 2, 1, 1)."""
    net = PatchDiscriminator(2)
    assert net(torch.rand(1, 2, 64, 64)).shape == (1, 1, 6, 6)
    widths = [layer.out_channels for layer in layers_of(net, torch.nn.Conv2d)]
    assert widths == [64, 128, 256, 512, 1]
    assert PatchDiscriminator(2, 1, width=4)(torch.rand(1, 2, 64, 64)).shape == (1, 1, 64, 64)
    assert [gan_kind(patch) for patch in PATCHES] == ["ImageGAN", *["PatchGAN"] * 4, "PixelGAN"]
    assert gan_kind(70, side=128) == "PatchGAN"
    assert [patch_of(name) for name in ("patch70", "pixel")] == [70, 1]
    with pytest.raises(ValueError, match="choose one of"):
        PatchDiscriminator(2, 50)


def test_jitter_moves_all_channels_alike() -> None:
    maps = torch.rand(3, 1, 16, 16).expand(3, 2, 16, 16)
    draw = torch.Generator().manual_seed(0)
    assert jittered(maps, 16, draw) is maps
    moved = jittered(maps, 20, draw)
    assert moved.shape == maps.shape
    assert torch.equal(moved[:, 0], moved[:, 1])
    linear = torch.arange(16.0).expand(1, 1, 16, 16)
    steps = jittered(linear, 20, draw)[..., 2:-2].diff(dim=-1)
    torch.testing.assert_close(steps, torch.full_like(steps, 16 / 20))
    with pytest.raises(ValueError, match="jitter=12"):
        jittered(maps, 12, draw)


def settings(**changes: Any) -> TrainConfig:
    return TrainConfig(**{**SETTINGS, **changes})


def store_of(data: Path) -> Store:
    return load_store("dot_density", [data], options=SETTINGS["task_options"], progress=False)


def fit(config: TrainConfig, data: Path, folder: Path, resume: bool = False) -> Pix2PixModule:
    return fit_member(config, store_of(data), folder, resume=resume, progress=False)


def steps_by_hand(config: TrainConfig, batches: list[tuple[torch.Tensor, ...]]) -> Pix2PixModule:
    """pix2pix written down once more: first the discriminator, then the generator."""
    module = Pix2PixModule(config, config.seed).train()
    networks = [net for net in (module.network, module.discriminator) if net is not None]
    adams = [
        torch.optim.Adam(net.parameters(), lr=config.learning_rate, betas=(0.5, 0.999))
        for net in networks
    ]
    for source, exact in batches:
        fake = module.network(source)["density"][:, None]
        loss = (fake - exact).abs().mean()
        if module.discriminator is not None:
            judge = module.discriminator
            real, made = (
                torch.sigmoid(judge(torch.cat([source, maps], 1)))
                for maps in (exact, fake.detach())
            )
            adams[1].zero_grad()
            (-real.log().mean() - (1 - made).log().mean()).backward()
            adams[1].step()
            made = torch.sigmoid(judge(torch.cat([source, fake], 1)))
            loss = -made.log().mean() + config.l1_weight * loss
        adams[0].zero_grad()
        loss.backward()
        adams[0].step()
    return module


@pytest.mark.parametrize("changes", [{}, {"network": "unet"}, {"discriminator": "pixel"}])
def test_steps_are_those_of_the_losses(data: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    config = settings(dropout=0.0, l1_weight=3.0, steps=2, validate_every=2, **changes)
    module = fit(config, data, tmp_path)
    stream = iter(module.stream)
    module.stream.first = 0
    batches = []
    for _ in range(2):
        batch = next(stream)
        inputs, target = module.task.inputs(batch, None)
        batches.append((inputs, target["density"][:, None]))
    expected = steps_by_hand(config, batches)
    for name, value in expected.state_dict().items():
        if name.startswith(("network", "discriminator")):
            torch.testing.assert_close(
                module.state_dict()[name], value, rtol=1e-3, atol=2e-5, msg=name
            )


def test_resumed_training_is_the_uninterrupted_one(data: Path, tmp_path: Path) -> None:
    """With dropout and jitter: the random numbers go on as well."""
    config = settings(jitter=70)
    whole = fit(config, data, tmp_path / "whole")
    fit(settings(jitter=70, steps=3), data, tmp_path / "parts")
    resumed = fit(config, data, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)
    a, b = whole.history(), resumed.history()
    xr.testing.assert_allclose(a, b)
    assert list(a["step"]) == [3, 6]
    assert list(a["picture_step"]) == [0, 5]


def test_weights_are_those_of_the_best_validation(data: Path, tmp_path: Path) -> None:
    config = settings(network="unet", steps=12, learning_rate=0.02)
    module = fit(config, data, tmp_path)
    history = module.history()
    best = int(np.argmax(history["r2"].values))
    assert history.attrs["best_step"] == int(history["step"][best])
    assert history.attrs["best_r2"] == pytest.approx(float(history["r2"][best]))
    module.network.load_state_dict(module.averaged.module.state_dict())
    for batch in [store_of(data).validation[64, 64]]:
        module.validation_step(batch, 0)
    predicted, exact = module._answers[0]
    mean = store_of(data).train[64, 64]["density"].mean(0).numpy()
    r2 = 1 - np.square(exact - predicted).sum() / np.square(exact - mean).sum()
    assert r2 == pytest.approx(history.attrs["best_r2"], rel=1e-5)
    errors = np.abs(predicted - exact).mean((-2, -1))
    np.testing.assert_allclose(history["l1"][best], errors, rtol=1e-5)
    with xr.open_dataset(tmp_path / "log" / "history.nc") as kept:
        xr.testing.assert_allclose(kept.load(), history)
    logged = (tmp_path / "log" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"val_r2", "val_l1", "val_l2", "val_linf", "val_ssim", "val_mssim"} <= set(logged)


def test_losses_and_gradients_are_logged(data: Path, tmp_path: Path) -> None:
    history = fit(settings(), data, tmp_path).history()
    one = history.isel(loss_step=0)
    # an untrained discriminator does not know: -log(1/2) for each of its verdicts
    for name in ("discriminator_real", "discriminator_fake", "generator_gan"):
        assert float(one[name]) == pytest.approx(np.log(2), abs=0.2)
    assert float(one["l1_gradient"]) == pytest.approx(SETTINGS.get("l1_weight", 100) / 64)
    assert abs(float(one["gan_alignment"])) <= 1
    plain = fit(settings(network="unet"), data, tmp_path / "unet").history()
    assert "generator_gan" not in plain
    assert float(plain["l1_gradient"][0]) == pytest.approx(1 / 64)


def test_trained_weights_open_again(data: Path, tmp_path: Path) -> None:
    config = settings(stored="fp16", discriminator="patch16")
    folder = train("dot_density", config, data=data, out=tmp_path, progress=False)
    (network,), card = load_weights(folder)
    assert isinstance(network, UNetGenerator)
    assert not network.training
    assert card["config"]["discriminator"] == "patch16"
    assert card["units"]["density"] == 0.3


def test_maps_beyond_the_range_of_the_generator_are_refused(data: Path, tmp_path: Path) -> None:
    options = {**SETTINGS["task_options"], "density_unit": 0.02}
    with pytest.raises(ValueError, match=r"density_unit=0.02 .* density reaches"):
        fit(settings(task_options=options), data, tmp_path)


@pytest.mark.slow
def test_generator_learns_without_and_with_discriminator(data: Path, tmp_path: Path) -> None:
    for network in ("unet", "pix2pix"):
        config = settings(
            network=network,
            width=8,
            steps=300,
            batch_size=4,
            validate_every=100,
            dropout=0.0,
            learning_rate=1e-3,
        )
        history = fit(config, data, tmp_path / network).history()
        assert float(history["r2_train"].max()) > 0.5, network
