"""Training a model that is divided over several devices (FSDP2), in one process for each.

Every process has the model's whole shape and its own part of each weight, gradient and moment; layers are put together
for the moment in which they compute. Torch does that (`fully_shard`), and the Trainer knows how to train such a model.
Here is what they leave to us: that processes meet, decide alike, draw the same rows, and that one of them writes what
was trained. accelerate divides models itself, but on GPUs only, with the whole model in main memory once for each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from accelerate.utils import check_cuda_p2p_ib_support
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel, Trainer
from transformers.modeling_layers import GradientCheckpointingLayer

from xautolm.errors import TrialError
from xautolm.finetuning.memory import LARGEST_BATCH, release_memory
from xautolm.methods import precision_of
from xautolm.records import TrialSpec
from xautolm.settings import avoid_direct_links, become_rank
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import DeviceKind, FailureKind, Precision

TRAINED = "trained.safetensors"
"""File of a checkpoint: the weights that are trained, under the names that they have in the model."""
FIRST = 0
"""Rank of the process that decides, and writes."""


def meet(spec: TrialSpec, folder: Path) -> None:
    """Connect this process with the others that train the model.

    Args:
        spec: The order of this one.
        folder: The trial's.

    Raises:
        TrialError: The installed PyTorch cannot connect GPUs (`invalid_config`).
    """
    on_gpu = spec.device.startswith(DeviceKind.CUDA)
    if on_gpu and not distributed.is_nccl_available():
        reason = "several GPUs cannot train one model: this PyTorch was built without NCCL"
        raise TrialError(FailureKind.INVALID_CONFIG, reason)
    become_rank(spec.rank, spec.shares)
    if on_gpu and not check_cuda_p2p_ib_support():
        # RTX 4000 with drivers before 550.40 hang otherwise, and accelerate refuses them.
        avoid_direct_links()
    # What processes agree on are numbers in main memory.
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    # By a file, and not by a port, which another program may take in between.
    meeting = TrialFolder(folder).meeting
    distributed.init_process_group(
        backend,
        init_method=f"file://{meeting}",
        rank=spec.rank,
        world_size=spec.shares,
    )


def part() -> None:
    """End the connection, when all processes have come so far."""
    distributed.barrier()
    distributed.destroy_process_group()


def agreed(number: float) -> float:
    """Return what the first process has for a number, in all of them."""
    shared = torch.tensor([number], dtype=torch.float64)
    distributed.broadcast(shared, FIRST)
    return float(shared.item())


def shard(load: Callable[[], PreTrainedModel], spec: TrialSpec) -> PreTrainedModel:
    """Return a model of whose weights this process keeps its part.

    Args:
        load: Loads the whole model into main memory.
        spec: The order of this process.
    """
    # One after the other: the whole model lies in main memory once, and not once for each device.
    for rank in range(spec.shares):
        if rank == spec.rank:
            model = _sharded(load(), spec)
            release_memory()
        distributed.barrier()
    return model


def _sharded(model: PreTrainedModel, spec: TrialSpec) -> PreTrainedModel:
    """Divide a whole model layer by layer; nothing is sent, for all processes have loaded the same."""
    kind = torch.device(spec.device).type
    mesh = init_device_mesh(kind, (spec.shares,))
    policy = MixedPrecisionPolicy()
    if precision_of(spec.configuration.values) is Precision.BFLOAT16:
        # Layers are put together in bfloat16. In float32, autocast would keep its own copies of all weights, whole,
        # until the backward pass. Gradients are summed in float32.
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for module in model.modules():
        # The repeated layers of all families of transformers 5.
        if isinstance(module, GradientCheckpointingLayer):
            # Before it is divided, so that it comes before what torch does with the output.
            module.register_forward_hook(_own_output)
            fully_shard(module, mesh=mesh, mp_policy=policy)
    # All that is no repeated layer, the embeddings above all.
    fully_shard(model, mesh=mesh, mp_policy=policy)
    if hasattr(model, "generate"):
        # Which goes around the outermost `forward`, where weights would be put together.
        register_fsdp_forward_method(model, "generate")

    body = model.get_base_model() if isinstance(model, PeftModel) else model
    # As `from_pretrained(distributed_config=...)` marks what it divides itself, without heads and adapters of ours. The
    # Trainer neither moves such a model nor copies it to every device (DDP), and `generate` goes on until the longest
    # answer of any process has ended.
    body._is_distributed_loading_by_transformers = True
    body._is_fsdp_managed_module = True
    return model


def _own_output(layer: torch.nn.Module, inputs: object, output: object) -> object:
    """Return a layer's output as a tensor of its own, as torch asks for.

    Changed in place, a view (of T5's layers) would lose what puts weights together for the backward pass.
    """
    if isinstance(output, tuple):
        return tuple(_own_output(layer, inputs, part) for part in output)
    if isinstance(output, torch.Tensor) and output._is_view():
        return output.clone()
    return output


def arguments_of_divided() -> dict[str, object]:
    """Return the Trainer's arguments by which it trains a divided model."""
    # Otherwise each device would hold the gradients of all weights until the last micro-batch of a step.
    accumulation = {"sync_each_batch": True}
    return {"accelerator_config": {"gradient_accumulation_kwargs": accumulation}}


def divided(kind: type[Trainer]) -> type[Trainer]:
    """Return a class of trainers whose model is divided."""
    return type(f"Divided{kind.__name__}", (Divided, kind), {})


class Divided(Trainer):  # type: ignore[misc]
    """What a trainer does differently where its model is divided: a base beside the trainer's own class."""

    def _get_train_sampler(self, train_dataset: object = None) -> object:
        """Return the Trainer's own sampler, drawing from a generator that is alike in all processes.

        The common one is not: dropout draws from it, as many numbers as a process's texts are long.
        """
        sampler = super()._get_train_sampler(train_dataset)
        sampler.generator = torch.Generator().manual_seed(self.args.seed)
        return sampler

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights that are trained, put together; all processes take part, the first writes."""
        folder = Path(output_dir or self.args.output_dir)
        save_trained(self.model, folder)

    def _load_best_model(self) -> None:
        """Load nothing: the first process reads the best epoch into a whole model, and no other needs it."""

    def evaluate(self, *arguments: object, **named: object) -> dict[str, float]:
        """Return the metrics on the validation split, where all processes answer batches of one size."""
        token = LARGEST_BATCH.set(self.args.per_device_eval_batch_size)
        try:
            metrics: dict[str, float] = super().evaluate(*arguments, **named)
        finally:
            LARGEST_BATCH.reset(token)
        return metrics


def save_trained(model: torch.nn.Module, folder: Path) -> None:
    """Put the trained weights of a divided model together, one after the other, and write them in the first process.

    Args:
        model: Divided.
        folder: Where to; made if it does not exist.
    """
    is_writer = distributed.get_rank() == FIRST
    whole: dict[str, torch.Tensor] = {}
    for name, weights in model.named_parameters():
        if not weights.requires_grad:
            continue
        together = weights.detach()
        if isinstance(together, DTensor):
            together = together.full_tensor()
        if is_writer:
            whole[name] = together.cpu().contiguous()
    if is_writer:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(whole, str(folder / TRAINED))


def read_trained(model: torch.nn.Module, folder: Path) -> None:
    """Give a whole model the weights that were trained.

    Args:
        model: Of the same shape as that which was divided.
        folder: A checkpoint, as `save_trained` writes it.
    """
    parameters = dict(model.named_parameters())
    with safe_open(str(folder / TRAINED), framework="pt") as file, torch.no_grad():
        names = file.keys()
        for name in names:
            weights = file.get_tensor(name)
            parameters[name].copy_(weights)
