
use builtin;
use str;

set edit:completion:arg-completer[lastgood] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'lastgood'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'lastgood'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand init 'Make a repository'
            cand backup 'Make a snapshot of files and directories'
            cand snapshots 'List snapshots'
            cand list 'List snapshots'
            cand ls 'List what is in a snapshot'
            cand inspect 'Show what the checkpoints and tensors are'
            cand restore 'Put a snapshot, or a part of it, back'
            cand verify 'Prove that the snapshots can be restored'
            cand check 'Prove that the snapshots can be restored'
            cand stats 'Show what the repository holds, and what it takes'
            cand cat 'Print one object of the repository, decrypted'
            cand key 'Manage the passwords and key files that open the repository'
            cand version 'Show the version'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'lastgood;init'= {
            cand --kdf-memory 'Memory that each guess takes (default 64M)'
            cand --kdf-passes 'How often each guess goes over that memory (default 3)'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;backup'= {
            cand --compression 'How hard to compress: `off` stores as it is, `auto` is fast, `max` is slow and somewhat smaller'
            cand --delta 'Whether a tensor may be stored as its difference to the one of an earlier checkpoint: `off`, or `auto` where that wins'
            cand --wait-complete 'Wait so long for checkpoints that are still being written: 30s, 10min, 1h'
            cand --tag 'Tags of the snapshot; repeat, or separate with commas'
            cand --label 'Label: snapshots of one host and label are a series'
            cand --host 'Host, instead of the name of this machine'
            cand --time 'Time of the snapshot, instead of now: 2026-08-20T14:00:00Z, "2026-08-20 14:00", "2h ago"'
            cand --meta 'Something to remember, such as step=1000 or run=7f3a; may be repeated'
            cand -e 'Leave out what matches this pattern; may be repeated'
            cand --exclude 'Leave out what matches this pattern; may be repeated'
            cand --exclude-file 'Read such patterns from this file, one a line'
            cand --exclude-if-present 'Leave out the content of directories that hold a file of this name'
            cand --exclude-larger-than 'Leave out files larger than this: 500, 10K or 10KiB (10,240), 10KB (10,000), 1.5G, 2TB'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --init 'Make the repository if there is none'
            cand -n 'Only say what would be stored'
            cand --dry-run 'Only say what would be stored'
            cand --skip-if-unchanged 'Make no snapshot if nothing changed since the last one'
            cand --require-complete 'Make no snapshot if a newest checkpoint is not complete'
            cand --exclude-caches 'Leave out the content of directories with a CACHEDIR.TAG'
            cand -x 'Do not go into other file systems'
            cand --one-file-system 'Do not go into other file systems'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;snapshots'= {
            cand --latest 'Only the newest N of each host and label'
            cand --host 'Only snapshots of this host; repeat for any of several'
            cand --label 'Only snapshots with this label; repeat for any of several'
            cand --tag 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either'
            cand --path 'Only snapshots that were made of this path; repeat for all of several'
            cand --at 'Only snapshots at or before this time: `latest` is then the state at that time'
            cand --before 'Only snapshots before this time'
            cand --after 'Only snapshots after this time'
            cand --before-step 'With `last-good`: the newest whose newest checkpoint is of a step before this one'
            cand --best 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --good 'Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;list'= {
            cand --latest 'Only the newest N of each host and label'
            cand --host 'Only snapshots of this host; repeat for any of several'
            cand --label 'Only snapshots with this label; repeat for any of several'
            cand --tag 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either'
            cand --path 'Only snapshots that were made of this path; repeat for all of several'
            cand --at 'Only snapshots at or before this time: `latest` is then the state at that time'
            cand --before 'Only snapshots before this time'
            cand --after 'Only snapshots after this time'
            cand --before-step 'With `last-good`: the newest whose newest checkpoint is of a step before this one'
            cand --best 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --good 'Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;ls'= {
            cand --host 'Only snapshots of this host; repeat for any of several'
            cand --label 'Only snapshots with this label; repeat for any of several'
            cand --tag 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either'
            cand --path 'Only snapshots that were made of this path; repeat for all of several'
            cand --at 'Only snapshots at or before this time: `latest` is then the state at that time'
            cand --before 'Only snapshots before this time'
            cand --after 'Only snapshots after this time'
            cand --before-step 'With `last-good`: the newest whose newest checkpoint is of a step before this one'
            cand --best 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand -l 'Show permissions, owner, size and time as well'
            cand --long 'Show permissions, owner, size and time as well'
            cand -R 'List directories in directories as well'
            cand --recursive 'List directories in directories as well'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;inspect'= {
            cand -t 'List the tensors; only those whose name matches GLOB'
            cand --tensors 'List the tensors; only those whose name matches GLOB'
            cand --host 'Only snapshots of this host; repeat for any of several'
            cand --label 'Only snapshots with this label; repeat for any of several'
            cand --tag 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either'
            cand --path 'Only snapshots that were made of this path; repeat for all of several'
            cand --at 'Only snapshots at or before this time: `latest` is then the state at that time'
            cand --before 'Only snapshots before this time'
            cand --after 'Only snapshots after this time'
            cand --before-step 'With `last-good`: the newest whose newest checkpoint is of a step before this one'
            cand --best 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --numbers 'Read the files on disk, and count NaN and infinities'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;restore'= {
            cand -t 'Directory to restore into; it is made if it is missing'
            cand --target 'Directory to restore into; it is made if it is missing'
            cand -i 'Only what matches this pattern; may be repeated'
            cand --include 'Only what matches this pattern; may be repeated'
            cand -e 'Leave out what matches this pattern; may be repeated'
            cand --exclude 'Leave out what matches this pattern; may be repeated'
            cand --overwrite 'What to do with files that are there'
            cand --host 'Only snapshots of this host; repeat for any of several'
            cand --label 'Only snapshots with this label; repeat for any of several'
            cand --tag 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either'
            cand --path 'Only snapshots that were made of this path; repeat for all of several'
            cand --at 'Only snapshots at or before this time: `latest` is then the state at that time'
            cand --before 'Only snapshots before this time'
            cand --after 'Only snapshots after this time'
            cand --before-step 'With `last-good`: the newest whose newest checkpoint is of a step before this one'
            cand --best 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --delete 'Remove what is in the restored directories and not in the snapshot'
            cand -n 'Only say what would be done'
            cand --dry-run 'Only say what would be done'
            cand --verify 'Read every restored file again, and compare it'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;verify'= {
            cand --read-data-subset 'Read only a part of the data: `n/t`, `x%` or a size'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --scrub 'Read every object, and compare it with the hash in its name'
            cand --read-data 'Read, decrypt and decode all data'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;check'= {
            cand --read-data-subset 'Read only a part of the data: `n/t`, `x%` or a size'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --scrub 'Read every object, and compare it with the hash in its name'
            cand --read-data 'Read, decrypt and decode all data'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;stats'= {
            cand --host 'Only snapshots of this host; repeat for any of several'
            cand --label 'Only snapshots with this label; repeat for any of several'
            cand --tag 'Only snapshots with this tag: `a,b` means both, a repeated --tag means either'
            cand --path 'Only snapshots that were made of this path; repeat for all of several'
            cand --at 'Only snapshots at or before this time: `latest` is then the state at that time'
            cand --before 'Only snapshots before this time'
            cand --after 'Only snapshots after this time'
            cand --before-step 'With `last-good`: the newest whose newest checkpoint is of a step before this one'
            cand --best 'With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;cat'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'List the keys'
            cand ls 'List the keys'
            cand add 'Add a password or a key file'
            cand remove 'Remove a key, but never the one that opened the repository just now'
            cand rm 'Remove a key, but never the one that opened the repository just now'
            cand passwd 'Replace the key that opened the repository just now by a new password or key file'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'lastgood;key;list'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key;ls'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key;add'= {
            cand --new-password-file 'Read the new password from this file instead of asking for it'
            cand --new-key-file 'Let this key file open the repository, instead of a password'
            cand --label 'What `lastgood key list` shows as its label'
            cand --kdf-memory 'Memory that each guess takes (default 64M)'
            cand --kdf-passes 'How often each guess goes over that memory (default 3)'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key;remove'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key;rm'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key;passwd'= {
            cand --new-password-file 'Read the new password from this file instead of asking for it'
            cand --new-key-file 'Let this key file open the repository, instead of a password'
            cand --kdf-memory 'Memory that each guess takes (default 64M)'
            cand --kdf-passes 'How often each guess goes over that memory (default 3)'
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;key;help'= {
            cand list 'List the keys'
            cand add 'Add a password or a key file'
            cand remove 'Remove a key, but never the one that opened the repository just now'
            cand passwd 'Replace the key that opened the repository just now by a new password or key file'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'lastgood;key;help;list'= {
        }
        &'lastgood;key;help;add'= {
        }
        &'lastgood;key;help;remove'= {
        }
        &'lastgood;key;help;passwd'= {
        }
        &'lastgood;key;help;help'= {
        }
        &'lastgood;version'= {
            cand -r 'The repository: the path of a folder'
            cand --repo 'The repository: the path of a folder'
            cand -p 'Read the password from this file'
            cand --password-file 'Read the password from this file'
            cand --password-command 'Read the password from the output of this command'
            cand --key-file 'Open the repository with this key file instead of a password'
            cand --json 'Write JSON, for programs'
            cand -q 'Say only problems and errors'
            cand --quiet 'Say only problems and errors'
            cand -v 'Say more'
            cand --verbose 'Say more'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'lastgood;help'= {
            cand init 'Make a repository'
            cand backup 'Make a snapshot of files and directories'
            cand snapshots 'List snapshots'
            cand ls 'List what is in a snapshot'
            cand inspect 'Show what the checkpoints and tensors are'
            cand restore 'Put a snapshot, or a part of it, back'
            cand verify 'Prove that the snapshots can be restored'
            cand stats 'Show what the repository holds, and what it takes'
            cand cat 'Print one object of the repository, decrypted'
            cand key 'Manage the passwords and key files that open the repository'
            cand version 'Show the version'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'lastgood;help;init'= {
        }
        &'lastgood;help;backup'= {
        }
        &'lastgood;help;snapshots'= {
        }
        &'lastgood;help;ls'= {
        }
        &'lastgood;help;inspect'= {
        }
        &'lastgood;help;restore'= {
        }
        &'lastgood;help;verify'= {
        }
        &'lastgood;help;stats'= {
        }
        &'lastgood;help;cat'= {
        }
        &'lastgood;help;key'= {
            cand list 'List the keys'
            cand add 'Add a password or a key file'
            cand remove 'Remove a key, but never the one that opened the repository just now'
            cand passwd 'Replace the key that opened the repository just now by a new password or key file'
        }
        &'lastgood;help;key;list'= {
        }
        &'lastgood;help;key;add'= {
        }
        &'lastgood;help;key;remove'= {
        }
        &'lastgood;help;key;passwd'= {
        }
        &'lastgood;help;version'= {
        }
        &'lastgood;help;help'= {
        }
    ]
    $completions[$command]
}
