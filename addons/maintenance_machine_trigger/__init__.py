from . import models, postings, wizard
from .hooks import uninstall_hook
