"""The recipes on the page about tracking run as they are written there."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from netdyn_utils import UpdateTracker

PAGE = Path(__file__).parents[1] / "book" / "tracking.md"
RECIPES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def run(number: int, **names) -> dict:
    """Run the recipe of this number with these names; return all names."""
    names |= {"UpdateTracker": UpdateTracker, "torch": torch}
    exec(RECIPES[number], names)
    return names


def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    data = TensorDataset(torch.randn(24, 3), torch.randn(24, 2))
    return {
        "model": model,
        "loss": mse_loss,
        "batches": DataLoader(data, batch_size=4),
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
    }


def test_a_plain_loop(capsys):
    tracker = run(0, **parts())["tracker"]
    assert tracker.steps == 6
    assert tracker.histogram().n_binned == 6 * 26
    assert "156 in" in capsys.readouterr().out


def test_save_and_resume(tmp_path):
    names = run(0, **parts())
    before = names["tracker"].histogram()
    names |= {"path": tmp_path / "state.pt"}
    after = run(4, **names)["tracker"].histogram()
    assert repr(after) == repr(before)


def test_hugging_face_trainer(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2
    )
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.randint(11, (16, 8))
    rows = [{"input_ids": row, "labels": row} for row in tokens]
    options = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        num_train_epochs=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = transformers.Trainer(model, options, train_dataset=rows)
    track = run(1, trainer=trainer, TrainerCallback=transformers.TrainerCallback)
    tracker = track["track"].tracker
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert tracker.steps == 4
    assert tracker.histogram().total == 4 * weights


@pytest.mark.filterwarnings("ignore")  # its own, of newer torch
def test_lightning(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = parts()["model"]

        def training_step(self, batch, _):
            return mse_loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    callback = run(2, Callback=lightning.Callback)["Track"]
    options = {
        "accelerator": "cpu",
        "accumulate_grad_batches": 2,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": tmp_path,
    }
    first, module = callback(), Module()
    trainer = lightning.Trainer(max_epochs=1, callbacks=[first], **options)
    trainer.fit(module, parts()["batches"])
    assert first.tracker.steps == 3
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    second = callback()
    trainer = lightning.Trainer(max_epochs=2, callbacks=[second], **options)
    trainer.fit(Module(), parts()["batches"], ckpt_path=tmp_path / "last.ckpt")
    assert second.tracker.steps == 6
    assert second.tracker.histogram().n_binned == 6 * 26


def test_accelerate():
    accelerate = pytest.importorskip("accelerate")
    names = parts()
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    tracker = run(3, **names, accelerator=accelerator)["tracker"]
    assert tracker.steps == 3
    assert tracker.histogram().n_binned == 3 * 26
