"""The page on a Space, or at home: python app.py"""

from spexapi.views.ui import build, launch

demo = build()

if __name__ == "__main__":
    launch(demo=demo)
