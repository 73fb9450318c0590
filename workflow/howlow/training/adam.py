"""The optimizer Adam. `howlow.training.protocol` has the learning rate of each epoch."""

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """Adam with Keras's epsilon, through PyTorch's functional interface.

    `torch.optim.Adam` itself would import PyTorch's compiler, which takes 3 s in every training.

    Attributes
    ----------
    state : dict of the lists `means`, `squares` (both running) and `steps`, with one Tensor for each parameter
    """

    def __init__(self, model: nn.Module):
        self.parameters: list[Tensor] = list(model.parameters())
        self.state = {
            "means": [torch.zeros_like(parameter) for parameter in self.parameters],
            "squares": [torch.zeros_like(parameter) for parameter in self.parameters],
            "steps": [torch.zeros((), device=parameter.device) for parameter in self.parameters],
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters by their gradients."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        means, squares, steps = self.state["means"], self.state["squares"], self.state["steps"]
        adam(
            self.parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=learning_rate,
            weight_decay=0,
            eps=1e-7,
            maximize=False,
        )
