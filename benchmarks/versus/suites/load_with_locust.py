"""The load with Locust alone: its documented way to set the exit code."""

from locust import FastHttpUser, events, task


class Visitor(FastHttpUser):
    @task
    def visit(self):
        self.client.get("/")


@events.quitting.add_listener
def judge(environment, **_):
    if environment.stats.total.get_response_time_percentile(0.99) > 40:
        environment.process_exit_code = 1
