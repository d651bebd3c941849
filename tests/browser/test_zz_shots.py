from tests.browser.test_submission import fill, press_preview
from tests.factories import put, request


def test_shots(page, live, sign_in, tables):
    for n in range(6):
        cfg = {
            "keywords": ["semaglutide"],
            "sources": [{"name": "FDA", "type": "government", "url": "https://www.fda.gov", "depth": 3}]
            if n < 5
            else ["text source"],
            "search_query": "semaglutide AND obesity",
            "date_range": {"start": "2026-01-01", "end": "2026-06-30"},
        }
        put(
            tables["requests"],
            request(
                f"r{n}",
                status="pending" if n == 0 else "completed",
                config=cfg,
                project_request_id=f"pr-{n:06}",
                region="eu-west-1",
                urgent=True,
                created_at=f"2026-11-20T00:00:0{n}.000000",
            ),
        )
    sign_in("operator")
    page.goto(f"{live}/requests/new/?like=r5")
    press_preview(page)
    page.wait_for_load_state("networkidle")
    shot(page, "like")
    page.goto(f"{live}/requests/new/?like=r1")
    shot(page, "like-own")
    page.goto(f"{live}/requests/new/")
    fill(page)
    press_preview(page)
    page.wait_for_load_state("networkidle")
    shot(page, "new")
    for n in range(3):
        put(
            tables["requests"],
            request(f"x{n}", status="completed", created_at=f"2026-11-21T00:00:0{n}.000000"),
        )
    page.goto(f"{live}/requests/r0/")
    shot(page, "overtaken")


def shot(page, name):
    for width in (1440, 380):
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.bsTheme='{theme}'")
            page.screenshot(path=f"/tmp/shots_{name}_{width}_{theme}.png", full_page=True)
