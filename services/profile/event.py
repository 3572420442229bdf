"""A touchpoint with the person who did it, for other systems."""

from schemas.fast import Event, Touchpoint


def event(profile_id: str, touchpoint: Touchpoint) -> Event:
    """The touchpoint without what only we need, under the profile that it was folded into."""
    return Event(
        workspace=touchpoint.workspace,
        profile_id=profile_id,
        anchor=touchpoint.anchor,
        identifiers=touchpoint.identifiers,
        message_id=touchpoint.message_id,
        type=touchpoint.type,
        event=touchpoint.event,
        source=touchpoint.source,
        channel=touchpoint.channel,
        group_id=touchpoint.group_id,
        timestamp=touchpoint.timestamp,
        received_at=touchpoint.received_at,
        restored=touchpoint.restored,
        properties=touchpoint.properties,
        traits=touchpoint.traits,
        context=touchpoint.context,
    )
