import pytest
import torch
import transformers

from veridical.errors import InputError
from veridical.modalities.encoders.minilm import MiniLM, load_minilm

INSTRUCTION = "Deliver the parcel, but wait for animals."


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    return load_minilm()


def embed(encoder: MiniLM, text: str) -> torch.Tensor:
    return encoder.embedding[encoder.tokenizer(text, return_tensors="pt")["input_ids"]]


def test_states_from_embeddings_are_those_from_token_ids(encoder):
    ids = encoder.tokenizer(INSTRUCTION, return_tensors="pt")
    expected = encoder.network(**ids).last_hidden_state
    torch.testing.assert_close(encoder.states(encoder.embedding[ids["input_ids"]]), expected, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing_and_gives_zeros(encoder):
    rows = embed(encoder, INSTRUCTION)
    padded = torch.nn.functional.pad(rows, (0, 0, 0, 5))
    states = encoder.states(padded)
    torch.testing.assert_close(states[:, : rows.shape[1]], encoder.states(rows), atol=1e-5, rtol=1e-5)
    assert not states[:, rows.shape[1] :].any()


def test_padding_has_no_gradient(encoder):
    rows = torch.nn.functional.pad(embed(encoder, INSTRUCTION), (0, 0, 0, 2)).requires_grad_()
    (gradient,) = torch.autograd.grad(encoder.states(rows).pow(3).sum(), rows)
    assert not gradient[:, -2:].any()
    assert gradient[:, :-2].any(-1).all()


def test_nothing_but_padding_gives_finite_zeros(encoder):
    rows = torch.zeros(1, 4, 384, requires_grad=True)
    states = encoder.states(rows)
    assert not states.any()
    (gradient,) = torch.autograd.grad(states.sum(), rows)
    assert torch.isfinite(gradient).all()


def test_no_texts_give_no_states(encoder):
    assert encoder.states(torch.zeros(0, 4, 384)).shape == (0, 4, 384)
    assert encoder.sentence([]).shape == (0, 384)


def test_there_is_a_second_derivative(encoder):
    """The slope of the gradient along a direction, against the difference of gradients."""
    network = transformers.AutoModel.from_config(encoder.network.config, attn_implementation="eager").double()
    network.load_state_dict(encoder.network.state_dict())
    exact = MiniLM(network, encoder.tokenizer)
    rows = embed(encoder, "stop here").double()
    direction = torch.randn(rows.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def gradient(at: torch.Tensor, keep: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        point = at.detach().requires_grad_()
        return torch.autograd.grad(exact.states(point).pow(3).sum(), point, create_graph=keep)[0], point

    slope, point = gradient(rows, keep=True)
    (curvature,) = torch.autograd.grad((slope * direction).sum(), point)
    difference = (gradient(rows + 1e-6 * direction)[0] - gradient(rows - 1e-6 * direction)[0]) / 2e-6
    torch.testing.assert_close(curvature, difference, atol=1e-4, rtol=1e-4)


def test_sentences_that_mean_the_same_are_close(encoder):
    cat, kitten, invoice = encoder.sentence(
        ["A cat sits on the road", "A kitten is in the street", "The invoice is due on Monday"]
    )
    assert float(cat @ kitten) == pytest.approx(0.667, abs=0.005)
    assert float(cat @ invoice) < 0.1


def test_a_sentence_is_the_mean_of_its_states_at_length_one(encoder):
    texts = ["stop", INSTRUCTION]
    sentences = encoder.sentence(texts)
    torch.testing.assert_close(sentences.norm(dim=-1), torch.ones(2))
    for text, sentence in zip(texts, sentences, strict=True):
        mean = encoder.states(embed(encoder, text))[0].mean(0)
        torch.testing.assert_close(sentence, mean / mean.norm(), atol=1e-5, rtol=1e-4)


def test_the_empty_string_has_an_embedding(encoder):
    assert torch.isfinite(encoder.sentence([""])).all()


def test_no_word_embedding_is_taken_for_padding(encoder):
    assert encoder.embedding.shape == (30_522, 384)
    assert encoder.embedding.any(-1).all()


def test_a_text_that_is_too_long_is_refused(encoder):
    encoder.sentence(["stop " * 254])
    with pytest.raises(InputError, match="text 1 has 257 tokens, more than 256; shorten or split it"):
        encoder.sentence(["go", "stop " * 255])
    with pytest.raises(InputError, match=r"with 1 to 256 tokens, got \(1, 257, 384\); shorten or split the text"):
        encoder.states(torch.ones(1, 257, 384))
    with pytest.raises(InputError, match=r"takes \(batch, tokens, 384\).*, got \(1, 2, 383\)"):
        encoder.states(torch.ones(1, 2, 383))


def test_the_tokenizer_gives_offsets(encoder):
    assert encoder.tokenizer.is_fast
    offsets = encoder.tokenizer("Stop, now", return_offsets_mapping=True)["offset_mapping"]
    assert offsets == [(0, 0), (0, 4), (4, 5), (6, 9), (0, 0)]


def test_nothing_is_trained_and_loading_is_quiet(encoder, capfd):
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    shown = transformers.utils.logging.is_progress_bar_enabled()
    state = torch.get_rng_state()
    load_minilm.cache_clear()
    assert load_minilm() is load_minilm()
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), state)
    assert transformers.utils.logging.is_progress_bar_enabled() == shown
