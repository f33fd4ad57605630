"""The duel: two versions of the code in turns, each in processes of its own.

    sides       the two versions, each in a folder of its own, with the same tests
    line        how the processes of a pass talk to the coordinator
    pytest_pass a pass: both go through the suite together, and meet at each sample
    server_pass a pass of two servers, measured from this process
    tournament  passes until every sample is settled

The rule is in `runs.duel`, the report in `reporting.duel_report`.
"""
