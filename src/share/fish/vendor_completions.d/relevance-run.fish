# fish completion for relevance-run
complete -c relevance-run -f
complete -c relevance-run -s a -l agent -x -d 'agent to run, or the URL of its page'
complete -c relevance-run -l tool -x -d 'run this tool instead of an agent'
complete -c relevance-run -s p -l param -x -d 'set an input of the tool or a variable of the agent'
complete -c relevance-run -s c -l conversation -x -d 'continue this conversation'
complete -c relevance-run -l attach -r -F -d 'attach a file or an https URL to the message'
complete -c relevance-run -s s -l set -x -d 'add a field to the trigger request' -a "
    version=active version=draft external_id= external_id_behaviour=extend-conversation
    external_id_behaviour=nothing metadata= max_job_duration=minutes max_job_duration=hours
    max_job_duration=synchronous_seconds max_job_duration=background_seconds"
complete -c relevance-run -s f -l file -r -F -d 'read the message, or its second part, from a file'
complete -c relevance-run -s o -l output -r -F -d 'write the result to a file'
complete -c relevance-run -s j -l json -d 'print one JSON object'
complete -c relevance-run -l run-file -r -F -d 'record the run in a file, so that repeating the command resumes it'
complete -c relevance-run -l check -d 'verify token, region, project and agent; start no run'
complete -c relevance-run -l no-wait -d 'start the run, print its RUN_ID and exit'
complete -c relevance-run -s r -l resume -x -d 'wait for a run that was started earlier'
complete -c relevance-run -s t -l timeout -x -a '5m 30m 1h 3h 0' -d 'give up waiting after this long'
complete -c relevance-run -s i -l interval -x -a '500ms 1s 5s 30s' -d 'poll at a fixed interval'
complete -c relevance-run -s v -l verbose -d 'log requests and retries; twice: bodies too'
complete -c relevance-run -s q -l quiet -d 'hide the progress line and the URL line'
complete -c relevance-run -s h -l help -d 'print the help'
complete -c relevance-run -s V -l version -d 'print the version'
