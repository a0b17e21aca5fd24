"""The frame that both consoles share: sign-in, pages, live stream, assets. Only consoles import it."""
