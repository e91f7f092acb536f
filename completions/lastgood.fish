# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lastgood_global_optspecs
    string join \n r/repo= p/password-file= password-command= key-file= json q/quiet v/verbose h/help V/version
end

function __fish_lastgood_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lastgood_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lastgood_using_subcommand
    set -l cmd (__fish_lastgood_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lastgood -n "__fish_lastgood_needs_command" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_needs_command" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_needs_command" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_needs_command" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_needs_command" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_needs_command" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_needs_command" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_needs_command" -s V -l version -d 'Print version'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "init" -d 'Make a repository'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "backup" -d 'Make a snapshot of files and directories'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "snapshots" -d 'List snapshots'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "list" -d 'List snapshots'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "ls" -d 'List what is in a snapshot'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "dump" -d 'Write the content of one file of a snapshot'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "inspect" -d 'Show what the checkpoints and tensors are'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "restore" -d 'Put a snapshot, or a part of it, back'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "verify" -d 'Prove that the snapshots can be restored'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "check" -d 'Prove that the snapshots can be restored'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "stats" -d 'Show what the repository holds, and what it takes'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "cat" -d 'Print one object of the repository, decrypted'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "key" -d 'Manage the passwords and key files that open the repository'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "version" -d 'Show the version'
complete -c lastgood -n "__fish_lastgood_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -l kdf-memory -d 'Memory that each guess takes (default 64M)' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -l kdf-passes -d 'How often each guess goes over that memory (default 3)' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l compression -d 'How hard to compress: `off` stores as it is, `auto` is fast, `max` is slow and somewhat smaller' -r -f -a "off\t''
auto\t''
max\t''"
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l delta -d 'Whether a tensor may be stored as its difference to the one of an earlier checkpoint: `off`, or `auto` where that wins' -r -f -a "off\t''
auto\t''"
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l wait-complete -d 'Wait so long for checkpoints that are still being written: 30s, 10min, 1h' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l tag -d 'Tags of the snapshot; repeat, or separate with commas' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l label -d 'Label: snapshots of one host and label are a series' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l host -d 'Host, instead of the name of this machine' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l time -d 'Time of the snapshot, instead of now: 2026-08-20T14:00:00Z, "2026-08-20 14:00", "2h ago"' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l meta -d 'Something to remember, such as step=1000 or run=7f3a; may be repeated' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l metric -d 'A metric of what is backed up, such as eval_loss=0.31, for `last-good --best`; may be repeated' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s e -l exclude -d 'Leave out what matches this pattern; may be repeated' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l exclude-file -d 'Read such patterns from this file, one a line' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l exclude-if-present -d 'Leave out the content of directories that hold a file of this name' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l exclude-larger-than -d 'Leave out files larger than this: 500, 10K or 10KiB (10,240), 10KB (10,000), 1.5G, 2TB' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l init -d 'Make the repository if there is none'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s n -l dry-run -d 'Only say what would be stored'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l skip-if-unchanged -d 'Make no snapshot if nothing changed since the last one'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l require-complete -d 'Make no snapshot if a newest checkpoint is not complete'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l exclude-caches -d 'Leave out the content of directories with a CACHEDIR.TAG'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s x -l one-file-system -d 'Do not go into other file systems'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l latest -d 'Only the newest N of each host and label' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l good -d 'Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged'
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand snapshots" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l latest -d 'Only the newest N of each host and label' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l good -d 'Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged'
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s l -l long -d 'Show permissions, owner, size and time as well'
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s R -l recursive -d 'List directories in directories as well'
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l tensor -d 'Only the bytes of this tensor, without any header' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -s o -l output -d 'Write to this file, which gets its name when it is whole; - is standard output, whatever that is' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand dump" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -s t -l tensors -d 'List the tensors; only those whose name matches GLOB' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l numbers -d 'Read the files on disk, and count NaN and infinities'
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s t -l target -d 'Directory to restore into; it is made if it is missing' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s i -l include -d 'Only what matches this pattern; may be repeated' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s e -l exclude -d 'Leave out what matches this pattern; may be repeated' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l overwrite -d 'What to do with files that are there' -r -f -a "always\t'Make them what the snapshot has; equal parts are kept'
if-changed\t'The same, but a file with the same size and time is taken to be equal, and not read'
if-newer\t'Only if the snapshot\'s file is newer'
never\t'Leave them'"
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l tensors -d 'Only tensors with names that match this pattern, as safetensors; may be repeated' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l delete -d 'Remove what is in the restored directories and not in the snapshot'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s n -l dry-run -d 'Only say what would be done'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l verify -d 'Read every restored file again, and compare it'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l weights-only -d 'Leave out optimizer, scheduler, random numbers and other training state'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l flat -d 'Put files where the snapshot has symbolic links to them, as in a hub cache'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -l read-data-subset -d 'Read only a part of the data: `n/t`, `x%` or a size' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -l scrub -d 'Read every object, and compare it with the hash in its name'
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -l read-data -d 'Read, decrypt and decode all data'
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -l read-data-subset -d 'Read only a part of the data: `n/t`, `x%` or a size' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -l scrub -d 'Read every object, and compare it with the hash in its name'
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -l read-data -d 'Read, decrypt and decode all data'
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l host -d 'Only snapshots of this host; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l label -d 'Only snapshots with this label; repeat for any of several' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l tag -d 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l path -d 'Only snapshots that were made of this path; repeat for all of several' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l at -d 'Only snapshots at or before this time: `latest` is then the state at that time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l before -d 'Only snapshots before this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l after -d 'Only snapshots after this time' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l before-step -d 'With `last-good`: the newest whose newest checkpoint is of a step before this one' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l best -d 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "list" -d 'List the keys'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "ls" -d 'List the keys'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "add" -d 'Add a password or a key file'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "remove" -d 'Remove a key, but never the one that opened the repository just now'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "rm" -d 'Remove a key, but never the one that opened the repository just now'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "passwd" -d 'Replace the key that opened the repository just now by a new password or key file'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and not __fish_seen_subcommand_from list ls add remove rm passwd help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l new-password-file -d 'Read the new password from this file instead of asking for it' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l new-key-file -d 'Let this key file open the repository, instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l label -d 'What `lastgood key list` shows as its label' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l kdf-memory -d 'Memory that each guess takes (default 64M)' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l kdf-passes -d 'How often each guess goes over that memory (default 3)' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l new-password-file -d 'Read the new password from this file instead of asking for it' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l new-key-file -d 'Let this key file open the repository, instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l kdf-memory -d 'Memory that each guess takes (default 64M)' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l kdf-passes -d 'How often each guess goes over that memory (default 3)' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the keys'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a password or a key file'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a key, but never the one that opened the repository just now'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "passwd" -d 'Replace the key that opened the repository just now by a new password or key file'
complete -c lastgood -n "__fish_lastgood_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -s r -l repo -d 'The repository: the path of a folder' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -s p -l password-file -d 'Read the password from this file' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -l password-command -d 'Read the password from the output of this command' -r
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -l key-file -d 'Open the repository with this key file instead of a password' -r -F
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -l json -d 'Write JSON, for programs'
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -s q -l quiet -d 'Say only problems and errors'
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -s v -l verbose -d 'Say more'
complete -c lastgood -n "__fish_lastgood_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "init" -d 'Make a repository'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "backup" -d 'Make a snapshot of files and directories'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "snapshots" -d 'List snapshots'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "ls" -d 'List what is in a snapshot'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "dump" -d 'Write the content of one file of a snapshot'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "inspect" -d 'Show what the checkpoints and tensors are'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "restore" -d 'Put a snapshot, or a part of it, back'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "verify" -d 'Prove that the snapshots can be restored'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "stats" -d 'Show what the repository holds, and what it takes'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "cat" -d 'Print one object of the repository, decrypted'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "key" -d 'Manage the passwords and key files that open the repository'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "version" -d 'Show the version'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and not __fish_seen_subcommand_from init backup snapshots ls dump inspect restore verify stats cat key version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List the keys'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "add" -d 'Add a password or a key file'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "remove" -d 'Remove a key, but never the one that opened the repository just now'
complete -c lastgood -n "__fish_lastgood_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "passwd" -d 'Replace the key that opened the repository just now by a new password or key file'
