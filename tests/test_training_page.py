"""The Training data tab in a real browser."""

import pytest
from page_server import address, browser, keep, visit
from test_training_cli import flowers, write

__all__ = ["address", "browser"]  # fixtures

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow


def explained(page):
    page.click("#t-run")
    page.wait_for_selector("#t-examples li")
    page.wait_for_selector("#t-run:not([disabled])")


def opened(page):
    page.get_by_role("tab", name="Training data").click()
    page.wait_for_selector("#t-forecast p")


def upload(page, path):
    with page.expect_file_chooser() as chooser:
        page.click("#t-open")
    chooser.value.set_files(str(path))


@pytest.mark.parametrize("dark", [False, True])
def test_the_ready_example_shows_digits(browser, address, dark):
    with visit(browser, address, dark=dark) as page:
        opened(page)
        assert "40 examples · 400 models to train" in page.inner_text("#t-forecast")
        explained(page)
        keep(page, f"training-{'dark' if dark else 'light'}")
        assert page.locator("#t-examples svg.digit").count() > 12
        titles = page.locator("#t-examples h3").all_inner_texts()
        assert titles == ["Most helpful", "Harmful", "Redundant", "Needed together"]
        harmful = page.locator("#t-examples section").nth(1).locator("li b").all_inner_texts()
        assert set(harmful[:3]) == {"image 27, label 7", "image 12, label 1", "image 32, label 7"}
        assert "trainings" in page.inner_text("#t-details")
        with page.expect_download() as report:
            page.click("#t-report")
        assert report.value.suggested_filename == "report.html"


def test_a_csv_file_is_opened_and_its_text_stays_text(browser, address, tmp_path):
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    rows = [[hostile if i == 7 else colour, size, kind] for i, (size, colour, kind) in enumerate(flowers())]
    path = write(tmp_path / "flowers.csv", rows, (f"colour {hostile}", "size", "kind"))
    with visit(browser, address) as page:
        opened(page)
        upload(page, path)
        page.wait_for_selector("#t-data >> text=Rows of flowers.csv")
        page.wait_for_selector("#t-forecast >> text=28 examples")
        explained(page)
        keep(page, "training-csv")
        assert "row " in page.inner_text("#t-examples")
        assert page.title() == "spexapi"
        assert page.locator(".results [onerror]").count() == 0


def test_a_file_that_is_no_table_is_answered_with_a_banner(browser, address, tmp_path):
    path = tmp_path / "flat.csv"
    path.write_text("only one column\n1\n2\n")
    with visit(browser, address) as page:
        opened(page)
        upload(page, path)
        page.wait_for_selector("#t-progress .banner")
        assert "2 or more" in page.inner_text("#t-progress .banner")


def test_a_run_that_is_stopped_keeps_what_was_trained(browser, address):
    with visit(browser, address, width=720) as page:
        opened(page)
        page.locator("#t-run").scroll_into_view_if_needed()
        page.locator("input[type=number]:visible").first.fill("4096")
        page.click("#t-run")
        page.wait_for_function("() => /trained [1-9]/.test(document.querySelector('#t-progress').innerText)")
        page.click("#t-stop")
        page.wait_for_selector("#t-run:not([disabled])")
        assert page.locator("#t-examples li").count() > 0
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
