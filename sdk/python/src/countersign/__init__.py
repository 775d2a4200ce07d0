"""Verify Countersign tokens locally, and honour a logout within milliseconds.

:class:`Follower` is all of it; it needs nothing but the standard library. ``countersign.pyjwt``
verifies whole tokens with PyJWT, ``countersign.flask`` puts a flask-jwt-extended program on it.
"""

from ._errors import Refused, Stale
from ._floors import subject
from ._follower import Follower, Status

__all__ = ["Follower", "Refused", "Stale", "Status", "subject"]
