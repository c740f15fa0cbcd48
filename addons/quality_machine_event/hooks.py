"""What happens once, when the addon goes."""


def uninstall_hook(env):
    """End what still waits for this addon: nobody is left who could give it an effect."""
    env["mrp.machine.event.posting"]._end_handler(
        "quality_alert", env._("The addon that makes quality alerts was uninstalled.")
    )
