"""Networks: symmetry, any size, the paper's size."""

import pytest
import torch

from qdens_nb.models import ChainResNet, PeriodicConv1d
from qdens_nb.training import TrainConfig
from qdens_nb.training._module import RegressionModule, build_network


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("sites", [3, 8, 13, 40])
def test_translation_equivariance(norm, sites):
    torch.manual_seed(0)
    network = ChainResNet(3, ("density", "current"), blocks=3, width=16, norm=norm).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(2, 3, sites)
    plain, moved = network(x), network(x.roll(2, -1))
    for name in plain:
        assert plain[name].shape == (2, sites)
        torch.testing.assert_close(plain[name].roll(2, -1), moved[name], rtol=1e-4, atol=1e-4)


def test_receptive_field_is_what_it_says():
    torch.manual_seed(0)
    network = ChainResNet(1, ("density",), blocks=2, width=8, norm="layer")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(1, 1, 41, requires_grad=True)
    network(x)["density"][0, 20].backward()
    seen = (x.grad[0, 0] != 0).nonzero().flatten()
    assert network.receptive_field == 13
    assert seen.min() == 20 - 6 and seen.max() == 20 + 6


def test_wrong_channels_are_refused():
    with pytest.raises(ValueError, match="expected \\(batch, 3, sites\\)"):
        ChainResNet(3, ("density",), blocks=1, width=4)(torch.zeros(1, 2, 8))
    with pytest.raises(ValueError, match="odd"):
        PeriodicConv1d(1, 1, 4)
    with pytest.raises(ValueError, match="choose 'batch' or 'layer'"):
        ChainResNet(3, ("density",), blocks=1, width=4, norm="group")


def test_paper_configuration_takes_steps():
    config = TrainConfig.read("configs/train_chain_full.yaml")
    network = build_network(config)
    assert len(network.stem) == 64 and network.heads.in_features == 120
    assert any(isinstance(m, torch.nn.BatchNorm1d) for m in network.modules())
    module = RegressionModule(config, seed=0)
    sites, batch = 8, 4
    generator = torch.Generator().manual_seed(0)
    sample = {name: torch.rand(batch, sites) for name in module.task.outputs[:5]}
    sample |= {name: torch.zeros(batch) for name in ("V", "flux", "mu", "mu_lower", "mu_upper")}
    sample["potential"] = torch.rand(batch, sites)
    optimiser = module.configure_optimizers()[0]
    losses = []
    for _ in range(3):
        inputs, target = module.task.inputs(sample, None)
        loss = module.task.loss(module.network(inputs), target)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    module.task.inputs(sample, generator)
