"""The gateway: a bare ASGI application in front of Django for `/v1/*`, a drop-in for OpenAI's API.

wire        bytes in, bytes out: requests read, answers and errors in OpenAI's shape
tenants     whose key it is, and what that project may call: snapshots in memory, refreshed off the hot path
planning    which option answers, and which stand by
warmth      which options hold the conversation in their prompt caches
hedging     a second attempt beside a slow first one
serving     the request's life: attempts in order, fallbacks before the first byte
attempt     one of them: money set aside, the answer passed on, the money settled
delivery    the way back to the client, which gets one answer or one refusal
account     the attempts so far, and what they cost together
control     what a request carries of caches and guardrails; guarding, answer_texts and windows do the latter
caching     answers given before, meanings of questions asked before, and controlled puts both to work
recording   the event of it, on disk before the answer ends
front       dispatch by path
"""

from routing.gateway.front import application

__all__ = ["application"]
