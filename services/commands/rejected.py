"""`rapport rejected`: what was refused, by reason and one by one; written down for mending, and sent again."""

from services.commands.refused.exporting import export
from services.commands.refused.listing import rejected, show
from services.commands.refused.replaying import replay

REJECTED = {"": rejected, "show": show, "export": export, "replay": replay}
