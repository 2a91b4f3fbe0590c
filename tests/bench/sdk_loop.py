"""The vendor's SDK: its client sends the trigger and then the polls, one a second."""
import os
import time

from relevanceai import RelevanceAI

client = RelevanceAI()
body = {"message": {"role": "user", "content": "Hello"}, "agent_id": os.environ["RELEVANCE_AGENT_ID"]}
job = client.post("agents/trigger", body=body).json()["job_info"]
path = f"studios/{job['studio_id']}/async_poll/{job['job_id']}"
while True:
    status = client.get(path, params={"ending_update_only": "true"}).json()
    ended = [update for update in status["updates"] if update["type"] == "chain-success"]
    if ended:
        print(ended[-1]["output"]["output"]["answer"])
        break
    time.sleep(1)
