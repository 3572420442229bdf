"""`rapport rejected`: what was refused, by reason and one by one; written down for mending, and sent again."""

from services.commands.rejected.exporting import export
from services.commands.rejected.listing import rejected, show
from services.commands.rejected.replaying import replay

REJECTED = {"": rejected, "show": show, "export": export, "replay": replay}
