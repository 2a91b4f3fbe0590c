# fish completion for relevance-run
complete -c relevance-run -f
complete -c relevance-run -s a -l agent -x -d 'the agent'
complete -c relevance-run -s c -l conversation -x -d 'continue that conversation'
complete -c relevance-run -s f -l file -r -F -d 'read the message from a file'
complete -c relevance-run -s s -l set -x -d 'one more field of the trigger request' -a "
    version=active version=draft params= external_id= external_id_behaviour=extend-conversation
    external_id_behaviour=nothing metadata= max_job_duration=minutes max_job_duration=hours
    max_job_duration=synchronous_seconds max_job_duration=background_seconds"
complete -c relevance-run -s n -l no-wait -d 'start the run, print its ids, exit'
complete -c relevance-run -s r -l resume -x -d 'start nothing; wait for that run'
complete -c relevance-run -l run-file -r -F -d 'remember the run in a file until its outcome was told'
complete -c relevance-run -l check -d 'start nothing; ask whether key, region, project and agent go together'
complete -c relevance-run -s t -l timeout -x -a '5m 30m 1h 3h 0' -d 'longest the whole command may take'
complete -c relevance-run -s i -l interval -x -a '500ms 1s 5s 30s' -d 'poll at this fixed interval'
complete -c relevance-run -s j -l json -d 'print one JSON object for the outcome'
complete -c relevance-run -s o -l output -r -F -d 'write the result to a file'
complete -c relevance-run -s v -l verbose -d 'say what happens; twice, also what was sent'
complete -c relevance-run -s q -l quiet -d 'no progress line on a terminal'
complete -c relevance-run -s h -l help -d 'print the help'
complete -c relevance-run -s V -l version -d 'print the version'
