from . import models, postings
from .hooks import post_init_hook, uninstall_hook
