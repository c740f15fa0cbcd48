from . import models, postings
from .hooks import uninstall_hook
