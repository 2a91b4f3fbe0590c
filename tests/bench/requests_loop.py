"""The vendor's documented way: requests, and a poll every three seconds (or POLL_SECONDS)."""
import os
import time

import requests

base = os.environ["RELEVANCE_BASE_URL"]
headers = {"Authorization": os.environ["RELEVANCE_AUTH_TOKEN"]}
body = {"message": {"role": "user", "content": "Hello"}, "agent_id": os.environ["RELEVANCE_AGENT_ID"]}
job = requests.post(f"{base}/agents/trigger", headers=headers, json=body).json()["job_info"]
url = f"{base}/studios/{job['studio_id']}/async_poll/{job['job_id']}"
while True:
    status = requests.get(url, headers=headers, params={"ending_update_only": "true"}).json()
    ended = [update for update in status["updates"] if update["type"] == "chain-success"]
    if ended:
        print(ended[-1]["output"]["output"]["answer"])
        break
    time.sleep(float(os.environ.get("POLL_SECONDS", "3")))
