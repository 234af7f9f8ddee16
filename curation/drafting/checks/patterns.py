"""What hostile content looks like, and a text that speaks to a model or is a model speaking of itself."""

from __future__ import annotations

import re

_TOP_LEVEL = (
    "com|org|net|io|ru|info|biz|xyz|top|site|online|example|test|dev|app|co|me|cn|de|uk|fr|eu|tk|click"
)


def _any_of(*patterns: str) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


ADDRESS = re.compile(
    _any_of(
        r"(?i:\bh(?:tt|xx)ps?\s*:\s*//|\b(?:ftps?|wss?|file)://|\bfile:/|\bdata:\w+/|\bwww\s?\.)",
        r"(?i:\b(?:javascript|vbscript|mailto|tel)\s*:(?=[/\w]|\s*\w+[(@]))",
        # 'evil.com', 'a.evil.com/x'; not 'Booking.com' or 'ASP.NET', which are names
        rf"(?<![\w.@])[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:{_TOP_LEVEL})(?:/\S*|:\d+\S*|(?![\w.-]*\w))",
        r"\w\.(?i:com|org|net|io|ru)/\w|(?<![\w.@])[a-z0-9-]{2,}\.[a-z]{2,6}/\w",
        r"\w@\w|(?<!\w)@\w",
        r"//\w+[.]\w|\[\.\]|\b\d{1,3}(?:\.\d{1,3}){3}[:/]",
    )
)
MARKUP = re.compile(
    _any_of(
        r"<[A-Za-z/!?%]|<<|>>>",
        r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]{1,30});",
        r"!?\[[^\]]*\]\s?\(|\]\[|^\s*\[[^\]]+\]:|\[(?:\d+|citation needed|edit)\]",
        # a grave accent inside a word stands for an apostrophe: 'Hawai`i'
        r"(?<!\w)`|`(?!\w)|~~~|\*\*|(?<!\w)__\w",
        r"^\s*#{1,6}\s|^\s*>\s|^\s*[-*•]\s+\w|\|\s*:?-{2,}",
        r"[{}]|\\[A-Za-z0-9(\[]",
        r"\[\d+(?:;\d+)*[mKHJ]\b",
        r"(?<!\w)on(?:error|load|click|mouseover)\s*=",
    ),
    re.IGNORECASE | re.MULTILINE,
)
# OWASP, "CSV Injection". A signed number is no formula.
FORMULA = re.compile(r"\s*['\"]?\s*(?:[=@＝＠]|[+\-＋－](?!\d[\d.,]*(?:\s|$|%|°)))")
MIXED = re.compile(r"[A-Za-z][^\W\d_]*[Ѐ-ӿοΟ]|[Ѐ-ӿοΟ][^\W\d_]*[A-Za-z]")

_DO = (
    r"\b(?:(?:ignor|disregard|forget|overrid|bypass|skip)(?:e|ing|ed)?|"
    r"(?:do\s+not|don['’]?t|never|stop)\s+(?:follow|obey)(?:ing)?|pay\s+no\s+(?:attention|heed)\s+to)\b"
)
_ORDERS = r"(?:instructions?|prompts?|commands?|directions?|rules|guidelines|messages?|orders|context)\b"
_FEW = r"(?:\s+\w+){0,3}?\s+"
# Rules and orders are also what traffic signs and referees are about: there, 'ignore the rules' is no echo.
_OVERRULING = _any_of(
    rf"{_DO}{_FEW}(?:previous|prior|preceding|above|earlier|foregoing|former|system|your|my){_FEW}{_ORDERS}",
    rf"{_DO}{_FEW}(?:previous|prior|preceding|above|earlier|foregoing|system|your|my)\s+{_ORDERS}",
    rf"{_DO}\s+(?:all|any|these|those)\s+(?:of\s+)?(?:the\s+|these\s+)?(?:instructions?|prompts?)\b",
    rf"{_DO}\s+(?:the|these|those)\s+(?:instructions?|prompts?)\s+(?:above|before|given|that|you)\b",
    rf"{_DO}{_FEW}{_ORDERS}\s+(?:above|before\s+this)\b",
    rf"{_DO}\s+these\s+(?:instructions?|prompts?)\b",
    rf"{_DO}\s+(?:all\s+|everything\s+|anything\s+)?(?:of\s+)?(?:the\s+)?(?:previous|prior|above|foregoing)\b",
    r"\bforget\s+everything\s+(?:you|above|before|that)\b",
)
_OF_ITSELF = _any_of(
    r"\bas\s+an?\s+(?:ai|artificial\s+intelligence|large)\s+language\s+model\b|\bas\s+a\s+language\s+model\b",
    r"\bas\s+an\s+ai(?:\s+(?:model|assistant|chatbot))?\s*,?\s+(?:i|my|you)\b",
    r"(?:^|[.!?]\s+)as\s+an\s+ai\s+(?:model|assistant|chatbot)\b",
    r"\bi\s*(?:am|['’]m)\s+(?:only\s+|just\s+)?an?\s+(?:ai|large\s+language|language)\s+(?:model|assistant)\b",
    r"\bi\s*(?:am|['’]m)\s+(?:sorry|afraid),?\s+(?:but|i|for|that)\b",
    r"\bi\s+(?:cannot|can['’]?t|can\s+not|am\s+unable\s+to|am\s+not\s+able\s+to|won['’]t)\s+"
    r"(?:assist|comply|fulfil+|help\s+(?:you|with)|provide|generate|answer\s+(?:this|that|the|your|questions)"
    r"|see\s+(?:the|this|any|an?)\s+(?:image|picture|photo)|(?:tell|determine)\s+(?:what|which|who|from))\b",
    r"(?:^|[.!?]\s+)(?:sure|certainly|of\s+course)[!,.]\s+here\b",
    r"\bhere\s+(?:is|are)\s+(?:the|your)\s+(?:json|(?:revised|rewritten|edited|requested)\s+\w+|\w+\s+you\s+asked)",
    r"\bmy\s+(?:training\s+data|knowledge\s+cut-?off|programming)\b",
)
_ROLES = _any_of(
    r"(?:^|[.!?:]\s+)(?:system|assistant|human|user|instructions?|developer)\s*:",
    r"\b(?:system|developer)\s+(?:prompt|message)s?\b|\bsystem\s+instructions?\b|\bhidden\s+prompt\b",
    r"###\s*(?:instruction|system|response|input)|<\|\w*\|>|\[/?inst\]",
    r"\byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai|helpful|chatgpt|gpt|claude|dan|unrestricted|language\s+model)\b",
    r"\byou\s+are\b[^.]{1,40}\bfrom\s+now\s+on\b|\bfrom\s+now\s+on,?\s+you\b",
    r"\byou\s+(?:must|should|will)\s+now\b|\bjail-?break|\bdeveloper\s+mode\b|\bprompt\s+injection\b",
    r"\b(?:new|updated|additional|important)\s+instructions?\s*:",
    r"\b(?:reveal|print|repeat|leak)\s+(?:\w+\s+){0,3}?(?:prompt|instructions|api\s+key)\b",
    r"\b(?:reply|respond|answer)\s+only\s+with\b|\bchoose\s+option\b|\bapprove\s+this\s+item\b",
    r"\b(?:note|attention|message)\s+(?:to|for)\s+(?:all\s+)?(?:ai|llms?|language\s+models?)\b",
    r"\bapi[\s_-]?keys?\b\s*(?:is|=|:)",
)
_OF_OURS = _any_of(
    r"\bend\s+of\s+data\b|\bdata\s+block\b|\bmarker\s+lines?\b|\bquoted\s+material\b|\b[0-9a-f]{16}\b",
    r"\b(?:valid|one)\s+json\b|\bjson\s+object\b|\bcounterfactual\b|\bknowledge\s+editing\b",
    r"\b(?:edited|original)\s+knowledge\b|\bedited\s+(?:text|version)\b",
    r"\b(?:fine_type|edited_text|original_text|source_text|source_title|user_name|rephrased_request|"
    r"text_question|image_question|hop_source)\b",
    r"\blorem\s+ipsum\b|^\W*\.{3}\W*$",
)
ECHO = re.compile(_any_of(_OVERRULING, _OF_ITSELF, _ROLES, _OF_OURS), re.IGNORECASE)
