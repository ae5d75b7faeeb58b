#!/usr/bin/env escript
%%! +S 1:1
%% Runs scripts from its input against Erlang's own supervisor and prints what its
%% processes did, step by step. otp_script_test.go says what a script is.
%%
%% The supervisor is the one of the installed OTP, its abstract code compiled
%% again with two changes: another name, and a clock that the scripts move.
%% There is one scheduler, and this process has a lower priority than all
%% others: when the run queue is empty, nothing can happen any more.
-module(otp).
-mode(compile).
-export([main/1, seconds/0, start_leaf/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

main([]) ->
    ok = logger:set_primary_config(level, none),
    load_supervisor(),
    ets:new(?MODULE, [named_table, public]),
    register(recorder, spawn(fun() -> recorder(#{}, []) end)),
    process_flag(trap_exit, true),
    process_flag(priority, low),
    io:format("otp ~s~n", [erlang:system_info(otp_release)]),
    run_all(),
    io:format("done~n").

run_all() ->
    case io:read("") of
        {ok, Script} -> run(Script), run_all();
        eof -> ok
    end.

%% The supervisor under test.

load_supervisor() ->
    {ok, {_, [{abstract_code, {raw_abstract_v1, Forms}}]}} =
        beam_lib:chunks(code:which(supervisor), [abstract_code]),
    {Changed, {1, 2}} = change(Forms, {0, 0}), % one clock, two start_links
    {ok, Module, Binary} = compile:forms(Changed, [binary]),
    {module, Module} = code:load_binary(Module, "supervisor.erl", Binary).

%% change renames the module and replaces the clock, and counts what it changed.
change({attribute, L, module, supervisor}, N) ->
    {{attribute, L, module, otp_supervisor}, N};
change({call, L, {remote, R, {atom, A, erlang}, {atom, B, monotonic_time}}, _}, {Clocks, Starts}) ->
    {{call, L, {remote, R, {atom, A, ?MODULE}, {atom, B, seconds}}, []}, {Clocks + 1, Starts}};
change({call, L, {remote, _, {atom, _, gen_server}, {atom, _, start_link}} = F, Args}, {Clocks, Starts}) ->
    Renamed = [case A of {atom, P, supervisor} -> {atom, P, otp_supervisor}; _ -> A end || A <- Args],
    {{call, L, F, Renamed}, {Clocks, Starts + 1}};
change(Form, N) when is_tuple(Form) ->
    {List, N2} = change(tuple_to_list(Form), N),
    {list_to_tuple(List), N2};
change([Head | Tail], N) ->
    {H, N2} = change(Head, N),
    {T, N3} = change(Tail, N2),
    {[H | T], N3};
change(Other, N) ->
    {Other, N}.

seconds() -> count(clock).

%% Scripts.

run({Seed, Tree, Steps}) ->
    ets:delete_all_objects(?MODULE),
    io:format("script ~b~n", [Seed]),
    lists:foldl(fun(Step, N) ->
                        step(Step, Tree),
                        quiet(),
                        io:format("step ~b~n~s", [N, call(take)]),
                        N + 1
                end, 0, Steps).

step(start, Tree) ->
    case root() of
        none ->
            ets:match_delete(?MODULE, {{life, '_'}, '_'}),
            {sup, Id, _, _, _, _, _} = Tree,
            case otp_supervisor:start_link(?MODULE, {Id, Tree}) of
                {ok, Pid} -> ets:insert(?MODULE, {root, Pid});
                {error, _} -> ok
            end;
        _ -> ok
    end;
step(stop, _) ->
    case root() of
        none -> ok;
        Pid -> exit(Pid, shutdown) % as its parent, which this process is
    end;
step({exit, Path, Reason}, _) ->
    case ets:lookup(?MODULE, {pid, Path}) of
        [{_, Pid}] ->
            ets:insert(?MODULE, {{asked, Pid}, true}),
            gen_server:cast(Pid, {exit, Reason});
        [] -> ok
    end;
step({advance, Seconds}, _) ->
    add(clock, Seconds);
step({Mishap, Path, Times}, _) ->
    ets:insert(?MODULE, {{Mishap, Path}, Times}).

root() ->
    case ets:lookup(?MODULE, root) of
        [{_, Pid}] -> case is_process_alive(Pid) of true -> Pid; false -> none end;
        [] -> none
    end.

quiet() ->
    erlang:yield(),
    case erlang:statistics(run_queue) =:= 0 andalso lists:all(fun idle/1, call(lives)) of
        true -> forget_exits();
        false -> quiet()
    end.

%% idle is false for a process that waits for something else than a message, as
%% one that loads a module does: that is no work of a scheduler.
idle(Pid) ->
    case process_info(Pid, current_function) of
        {current_function, {gen_server, loop, _}} -> true;
        _ -> false
    end.

forget_exits() ->
    receive {'EXIT', _, _} -> forget_exits() after 0 -> ok end.

%% Counters: the clock, the lives of a path, how often a mishap is still to come.

count(Key) ->
    case ets:lookup(?MODULE, Key) of [{_, N}] -> N; [] -> 0 end.

add(Key, N) -> ets:update_counter(?MODULE, Key, N, {Key, 0}).

befalls(Mishap, Path) ->
    case count({Mishap, Path}) of
        0 -> false;
        N -> ets:insert(?MODULE, {{Mishap, Path}, N - 1}), true
    end.

%% The recorder notes in order what happens; who tells it waits until it has.

recorder(Lives, Lines) ->
    receive
        {From, Ref, {start, Path}} ->
            Life = [Path, $#, integer_to_list(add({life, Path}, 1))],
            ets:insert(?MODULE, {{pid, Path}, From}),
            monitor(process, From),
            From ! Ref,
            recorder(Lives#{From => {Path, Life}}, [["start ", Life, $\n] | Lines]);
        {From, Ref, {stop, Reason}} ->
            #{From := {_, Life}} = Lives,
            From ! Ref,
            recorder(Lives, [["stop ", Life, $\s, reason(From, Reason), $\n] | Lines]);
        {From, Ref, lives} ->
            From ! {Ref, maps:keys(Lives)},
            recorder(Lives, Lines);
        {From, Ref, take} ->
            From ! {Ref, lists:reverse(Lines)},
            recorder(Lives, []);
        {'DOWN', _, process, Pid, Reason} ->
            {{Path, Life}, Left} = maps:take(Pid, Lives),
            ets:match_delete(?MODULE, {{pid, Path}, Pid}),
            recorder(Left, [["exit ", Life, $\s, reason(Pid, Reason), $\n] | Lines])
    end.

call(What) ->
    Ref = make_ref(),
    recorder ! {self(), Ref, What},
    receive Ref -> ok; {Ref, Answer} -> Answer end.

%% reason is the word that both sides use.
reason(Pid, Reason) ->
    case {Reason, ets:member(?MODULE, {asked, Pid})} of
        {{shutdown, {failed_to_start_child, _, _}}, _} -> "failed";
        {{panic, _}, _} -> "panic";
        {normal, _} -> "normal";
        {shutdown, true} -> "normal";
        {{shutdown, _}, true} -> "normal";
        {Word, _} when is_atom(Word) -> atom_to_list(Word)
    end.

%% The callbacks of supervisors and leaves.

init({Path, {sup, _, _, Strategy, Intensity, Period, Children}}) ->
    call({start, Path}),
    Flags = #{strategy => Strategy, intensity => Intensity, period => Period},
    {ok, {Flags, [child(Path, C) || C <- Children]}};
init({Path, {leaf, _, _, _, Hook}}) ->
    process_flag(trap_exit, Hook),
    call({start, Path}),
    case {befalls(refuse, Path), befalls(ignore, Path)} of
        {true, _} -> {stop, error};
        {_, true} -> ignore;
        _ -> {ok, {Path, Hook}}
    end.

child(Parent, {leaf, Id, Restart, Shutdown, _} = Leaf) ->
    #{id => Id, restart => Restart, shutdown => Shutdown,
      start => {?MODULE, start_leaf, [{Parent ++ "/" ++ Id, Leaf}]}};
child(Parent, {sup, Id, Restart, _, _, _, _} = Sup) ->
    #{id => Id, restart => Restart, type => supervisor,
      start => {otp_supervisor, start_link, [?MODULE, {Parent ++ "/" ++ Id, Sup}]}}.

start_leaf(Args) -> gen_server:start_link(?MODULE, Args, []).

handle_cast({exit, panic}, _) -> error(panic);
handle_cast({exit, Reason}, State) -> {stop, Reason, State}.

handle_call(_, _, State) -> {reply, ok, State}.

handle_info(_, State) -> {noreply, State}.

terminate(_, {_, false}) -> ok;
terminate(Reason, {Path, true}) ->
    call({stop, Reason}),
    case befalls(badstop, Path) of
        true -> error(panic);
        false -> ok
    end.
