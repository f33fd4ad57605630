"""The load with Locust and this plugin; the budget is in budgets.toml."""

from locust import FastHttpUser, task

from pytest_hancock_latency import locust_gate  # noqa: F401


class Visitor(FastHttpUser):
    @task
    def visit(self):
        self.client.get("/")
