"""matplotlib, for those who have it."""


def import_pyplot(caller):
    """matplotlib.pyplot, or an error that says how to get it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib: pip install lstmc[plot]"
        ) from error
    return pyplot
