"""The duel: two versions of the code in turns, each in processes of its own.

    run_duel        passes until every sample is settled
    pytest_pass     a pass of two versions: both go through the suite together
    server_pass     a pass of two servers, measured from this process
    sides           the two versions, each in a folder of its own, with the same tests
    environments    their packages
    side_process    the pytest process of a side, as the coordinator sees it
    side_turns      what that process does at a sample
    connection      the socket between the two
    messages        what they send to each other

The *coordinator* is the process that the user starts; a *side* is a version, base or head. The rule
is in `runs.duel`, the report in `reporting.duel_report`.
"""
