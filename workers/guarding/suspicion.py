"""Suspicion: whether a text looks as if it spoke to the model rather than to the people it was sent to. Pure and cheap.

It decides no label and keeps nothing out: a hostile text is asked about alone, and beside one that is merely suspicious stand
messages whose answer is known (`canaries`). A false suspicion therefore costs a part of a call, and no text is safe because it
raised none. Looked for are, in English and in some words of German, Spanish and French:

    hostile      our frame or a chat's (refs, items, roles, special tokens), an order to ignore what was said before, an order
                 about other messages, another role for the model, characters that people cannot see
    suspicious   words of the trade (prompt, instruction, language model ...), orders that fit a model and not a desk
                 (respond with, repeat after me ...), code fences, long runs without a space, and very long texts

The words of a text are first looked up among those that all of this is made of, since most texts have none of them.
"""

import re
from enum import StrEnum

from schemas.message import Message

_LONG = 1_500
_WORDS = frozenset(  # in UTF-8: bytes are translated several times faster than text
    """
    ignore ignores ignored ignoring ignorier ignoriere ignorieren ignorez ignora disregard disregarding forget forgets overrule
    override overrides overriding bypass bypassing neglect neglecting vergiss vergessen vergesst vergesse olvida olvide olvidar
    olvídate oublie oubliez oublier zaboravi zaboravite забудь забудьте
    prompt prompts instruct instructs instructed instruction instructions instrucciones instruktion instruktionen instrukcije
    инструкции anweisung anweisungen aufgabe aufgaben assignment assignments command commands guidelines context rules
    system assistant model models modell chatgpt gpt gpt3 gpt4 ai ki dan llm chatbot jailbreak jailbroken developer hack hacked
    pwned role roles rolle pretend act imagine restriction restrictions now
    label labels labelled labeled labeling labelling classify classifies classified categorise categorize mark marks marked tag
    tags flag flagged treat assign rate items messages texts tickets records entries transactions emails mails requests others
    neighbor neighbors neighbour neighbours ones above preceding following remaining
    kennzeichne kennzeichnen markiere markieren bewerte bewerten stufe beantworte nachrichten texte einträge anfragen marca
    etiqueta clasifica mensajes textos classe marque étiquette demandes
    respond reply output print repeat say sag sage stop verbatim translate
    """.encode().split()
)
_APART = bytes.maketrans(b"\t\n\r.,;:!?()[]'\"*_-/\\", b" " * 20)


class Suspicion(StrEnum):
    """How a text is to be treated, worst first. A metric label."""

    HOSTILE = "hostile"
    SUSPICIOUS = "suspicious"


_FRAME = (
    r'"(?:ref|items|r)"\s*:|\bref\s*[:=]\s*["\'][a-z2-9]{4}\b|<\|[a-z_]+\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user)>'
    # A line's own white space, and none of it tried twice: blank lines by the thousand would take for ever.
    r"|^[^\S\n]*+(?:#{1,3}[^\S\n]*+)?(?:system|assistant|developer)\s*:"
)
_DROP = (
    r"ignor\w*|disregard\w*|forget\w*|overrid\w*|bypass\w*|vergiss|vergessen|olvid\w+|oubli\w+|neglect\w*|zaboravi\w*|забуд\w*"
)
_BEFORE = (
    r"instru[ck]\w*|prompt\w*|previous\w*|above|prior|before|preceding|earlier|everything|anything|rules?|guidelines?|context"
    r"|assignments?|tasks?|anweisung\w*|aufgabe\w*|alle[sn]?|davor|zuvor|vorherig\w*|bisherig\w*|obig\w*|instruccion\w*|consignes?"
)
_LABEL = r"label\w*|classif\w*|categori\w*|mark|tag|flag|treat|assign|rate|answer|return|output|set|change|give"
_ALL = r"all|every|each|other|others|rest|remaining|neighbou?r\w*|preceding|following|previous|next|above|below|surrounding"
_THINGS = r"messages?|items?|texts?|tickets?|transactions?|entries|records?|refs?|e-?mails?|requests?|neighbou?rs?|labels?|ones"
_MARK_ABROAD = (
    r"kennzeichne\w*|markier\w*|bewerte\w*|stufe|beantworte\w*|marca\w*|etiqueta\w*|clasific\w*|classe\w*|marque\w*|étiquet\w*"
)
_ALL_ABROAD = r"alle\w*|jede\w*|ander\w*|übrig\w*|restlich\w*|tod[ao]s|otr[ao]s|demás|tous|toutes|autres"
_THINGS_ABROAD = (
    r"nachricht\w*|texte?n?|tickets?|eintr[aä]g\w*|anfragen?|mensajes?|textos?|mensagens|messages?|textes?|demandes?"
)
_HOSTILE = re.compile(
    "|".join(
        (
            _FRAME,
            rf"\b(?:{_DROP})\b.{{0,60}}\b(?:{_BEFORE})\b",
            rf"\b(?:{_LABEL})\b.{{0,40}}\b(?:{_ALL})\b.{{0,20}}\b(?:{_THINGS})\b",
            rf"\b(?:{_ALL})\b.{{0,20}}\b(?:{_THINGS})\b.{{0,60}}\b(?:{_LABEL})\b",
            rf"\b(?:{_MARK_ABROAD})\b.{{0,40}}\b(?:{_ALL_ABROAD})\b.{{0,20}}\b(?:{_THINGS_ABROAD})\b",
            r"\byou(?:'re| are| will| must| shall)\b.{0,30}\b(?:chatgpt|gpt|dan|language model|an? ai|assistant|chatbot)\b",
            r"\bsystem prompt\b|\bjailbreak\w*|\bdeveloper mode\b|\bdo anything now\b|\bfrom now on\b|\bnew instructions?\b",
        )
    ),
    re.MULTILINE | re.DOTALL,
)
_SUSPICIOUS = re.compile(
    r"\bprompts?\b|\binstru[ck]\w*|\banweisung\w*|\baufgaben?\b|\blanguage model|\bchat-?gpt|\bgpt\b|\bas an ai\b|\bki\b"
    r"|\bpretend\b|\bact as\b|\bimagine\b|\bstell dir\b|\bdu bist\b|\brole\b|\bno restrictions?\b|\bhack\w*|\bpwned\b"
    r"|\b(?:respond|reply|answer) with\b|\bprint\b|\brepeat\b|\boutput\b|\bverbatim\b|\btranslate\b|\b(?:say|sag)\b"
    r"|\bstop\b\W+\w+\W|\byou are (?:a|the|now)\b"
    rf"|\b(?:{_DROP})\b|```|\{{|={{3,}}|-{{3,}}|\bassistant\b|\bassignments?\b"
)
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_RUN_LENGTH = 60
_RUN = re.compile(rf"\S{{{_RUN_LENGTH}}}")


def suspicion(text: str) -> Suspicion | None:
    """Return how the text is to be treated, or None if nothing about it is suspicious."""
    if not text.isascii() and _UNSEEN.search(text):
        return Suspicion.HOSTILE
    lowered = text.lower()
    words = lowered.encode("utf-8", "surrogatepass").translate(_APART).split()
    if not _WORDS.isdisjoint(words) or _has_signs(text):
        if _HOSTILE.search(lowered):
            return Suspicion.HOSTILE
        if _SUSPICIOUS.search(lowered):
            return Suspicion.SUSPICIOUS
    if len(text) > _LONG or (_lacks_spaces(text) and _RUN.search(text)):
        return Suspicion.SUSPICIOUS
    return None


def _has_signs(text: str) -> bool:
    return "{" in text or "<" in text or "`" in text or "==" in text or "--" in text or '":' in text


def _lacks_spaces(text: str) -> bool:
    """Return whether so many characters follow one another without a space; looks at one in sixty of an ordinary text."""
    end = _RUN_LENGTH
    while end <= len(text):
        space = text.rfind(" ", end - _RUN_LENGTH, end)
        if space < 0:
            return True
        end = space + 1 + _RUN_LENGTH
    return False


def of_message(message: Message) -> Suspicion | None:
    """Return how a message is to be treated: as the worst of its text and of what was said before it."""
    if message.context is None:
        return suspicion(message.text)
    found = {suspicion(text) for text in (message.text, *(said.text for said in message.context.turns))}
    return next((worst for worst in Suspicion if worst in found), None)
